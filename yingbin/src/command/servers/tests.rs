//! Which servers are meant: flags, what runs, the environment.

use super::*;

fn servers(names: &[&str]) -> Servers {
    let account = |name: &&str| Account {
        name: (*name).to_owned(),
        path: format!("/wechat/{name}"),
        app_id: format!("wx-{name}"),
        token: "t".into(),
        aes_key: None,
        mode: "plain".into(),
    };
    let up = Up {
        gateway: "http://127.0.0.1:8080/".into(),
        simulator: String::new(),
        profile: "http://127.0.0.1:50051".into(),
        kafka: "127.0.0.1:9092".into(),
        redis: "redis://127.0.0.1:6379".into(),
        accounts: names.iter().map(account).collect(),
    };
    Servers { up: (!names.is_empty()).then_some(up) }
}

#[test]
fn a_flag_goes_before_what_is_running() {
    let servers = servers(&["a"]);
    let flags = KafkaFlags { kafka: Some("k:1".into()), ..KafkaFlags::default() };
    assert_eq!(servers.kafka(&flags).unwrap().bootstrap, "k:1");
    assert_eq!(servers.kafka(&KafkaFlags::default()).unwrap().bootstrap, "127.0.0.1:9092");
    assert_eq!(servers.profile(&ProfileFlags::default()).unwrap().uri(), "http://127.0.0.1:50051/");
}

#[test]
fn properties_are_read_as_the_services_read_them_and_refused_by_their_flag() {
    let with = |property: &str| {
        let flags = KafkaFlags { kafka_property: vec![property.into()], ..KafkaFlags::default() };
        servers(&["a"]).kafka(&flags).map(|kafka| kafka.properties)
    };
    let secret = tempfile::NamedTempFile::new().unwrap();
    fs::write(secret.path(), "a=b\n").unwrap();
    let expected = vec![("sasl.password".to_owned(), "a=b".to_owned())];
    assert_eq!(with("sasl.password=a=b").unwrap(), expected);
    assert_eq!(with(&format!("sasl.password_file={}", secret.path().display())).unwrap(), expected);
    for (property, told) in [
        ("sasl.password", "--kafka-property sasl.password: write it as key=value"),
        (
            "sasl.pasword=hush",
            "--kafka-property sasl.pasword: librdkafka has no such property, or takes no such value",
        ),
        ("sasl.password_file=/no/file", "--kafka-property sasl.password_file: /no/file"),
    ] {
        let refusal = with(property).unwrap_err();
        assert!(refusal.is::<Usage>() && refusal.to_string().starts_with(told), "{refusal}");
    }
    let nowhere = KafkaFlags { kafka: Some(" ".into()), ..KafkaFlags::default() };
    assert!(servers(&["a"]).kafka(&nowhere).unwrap_err().to_string().starts_with("--kafka: is empty"));
}

#[test]
fn an_account_is_named_guessed_or_asked_for() {
    let one = servers(&["a"]);
    assert_eq!(one.app_id(None).unwrap(), "wx-a");
    assert_eq!(one.app_id(Some("wx9")).unwrap(), "wx9");
    assert_eq!(one.account("a").unwrap().1, "http://127.0.0.1:8080/wechat/a");
    let two = servers(&["a", "b"]);
    assert_eq!(two.app_id(Some("b")).unwrap(), "wx-b");
    assert!(two.app_id(None).unwrap_err().to_string().contains("a, b"));
    assert!(two.account("c").unwrap_err().to_string().contains("a, b"));
    assert!(servers(&[]).account("a").is_err());
}

#[test]
fn the_file_is_found_from_a_folder_below() {
    let top = tempfile::tempdir().unwrap();
    let below = top.path().join("a/b");
    fs::create_dir_all(&below).unwrap();
    fs::create_dir_all(top.path().join(".yingbin")).unwrap();
    assert_eq!(up_file(&below), None);
    fs::write(top.path().join(UP_FILE), "{}").unwrap();
    assert_eq!(up_file(&below), None, "nobody holds it");
    let held = File::open(top.path().join(UP_FILE)).unwrap();
    held.lock().unwrap();
    let found = up_file(&below).unwrap();
    assert!(read(&found).unwrap_err().to_string().contains("start it again"));
}
