//! Files with certificates, good and bad, and what is said of them.

use std::path::PathBuf;

use prometheus_client::encoding::text::encode_registry;

use super::{
    authority::{Authority, EXPIRED, Folder, GOOD},
    *,
};

fn told(lines: &[String]) -> String {
    let mut settings = Settings::load("profile-service", None, [], lines);
    let tls = settings.get("redis.url", String::new(), "").starts_with("rediss:");
    TlsFiles::read(&mut settings, "redis", "Redis", tls);
    settings.finish().err().map(|problems| problems.to_string()).unwrap_or_default()
}

#[test]
fn files_that_cannot_be_used_are_told_with_what_to_do_and_without_what_is_in_them() {
    let (authority, folder) = (Authority::new(), Folder::new());
    let ((certificate, key), (expired, its_key)) = (authority.vouches(GOOD), authority.vouches(EXPIRED));
    let path = |name: &str, content: &str| folder.write(name, content).display().to_string();
    let (ca, text) = (path("ca", &authority.pem()), path("text", "hush"));
    let (good, key) = (path("certificate", &certificate), path("key", &key));
    let (expired, its_key) = (path("expired", &expired), path("its_key", &its_key));
    let with = |settings: &[(&str, &str)]| {
        let lines = settings.iter().map(|(name, value)| format!("redis.{name}={value}"));
        told(&["redis.url=rediss://r".to_owned()].into_iter().chain(lines).collect::<Vec<_>>())
    };
    assert_eq!(with(&[("ca", &ca), ("certificate", &good), ("key", &key)]), "");
    let cases = [
        (with(&[("ca", "/nowhere")]), "redis.ca: the file cannot be read: No such file"),
        (with(&[("ca", &text)]), "redis.ca: holds no certificate in PEM"),
        (with(&[("certificate", &good)]), "redis.key: is missing"),
        (with(&[("key", &key)]), "redis.certificate: is missing"),
        (with(&[("certificate", &text), ("key", &key)]), "redis.certificate: holds no certificate in PEM"),
        (with(&[("certificate", &good), ("key", &text)]), "redis.key: holds no private key in PEM"),
        (with(&[("certificate", &good), ("key", &its_key)]), "redis.key: is not of the certificate"),
        (with(&[("certificate", &expired), ("key", &its_key)]), "redis.certificate: has expired on Dec 31"),
        (told(&[format!("redis.ca={ca}")]), "redis.ca: is for TLS, which the address does not ask for"),
    ];
    for (told, expected) in cases {
        assert!(told.starts_with(&format!("--set: {expected}")), "{told:?} is not {expected:?}");
        assert_eq!(told.lines().count(), 1, "{told}");
        assert!(!told.contains("hush"), "{told}");
    }
}

#[test]
fn the_end_of_a_certificate_is_told_and_follows_its_file() {
    let (authority, folder) = (Authority::new(), Folder::new());
    let metric = |path: &PathBuf| {
        let mut text = String::new();
        encode_registry(&mut text, &REGISTRY).unwrap();
        let line = format!("cert_not_after_seconds{{file=\"{}\"}} ", path.display());
        text.lines().find_map(|found| found.strip_prefix(&line)).map(|end| end.parse::<i64>().unwrap())
    };
    let (expired, good) = (authority.vouches(EXPIRED).0, authority.vouches(GOOD).0);
    let own = folder.write("own", &good);
    assert_eq!(metric(&own), None, "nobody watches it");
    watch(&own, Holds::OwnCertificate);
    let (first, last) = (1_640_908_800, 32_503_593_600);
    assert_eq!(metric(&own), Some(last));
    folder.write("own", &format!("{good}{expired}"));
    assert_eq!(metric(&own), Some(first), "a chain ends with what ends first");
    let authorities = folder.write("authorities", &format!("{expired}{good}"));
    watch(&authorities, Holds::Authorities);
    assert_eq!(metric(&authorities), Some(last), "of authorities the last counts");
    folder.write("own", "no certificate");
    assert_eq!(metric(&own), Some(0));
}
