//! What a person sees who configures a service.

use std::{fs, time::Duration};

use super::*;

fn load(toml: &str, environment: &[(&str, &str)], flags: &[&str]) -> (tempfile::TempDir, Settings) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    fs::write(&file, toml).unwrap();
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
    let settings = Settings::load("gateway", Some(&file), environment.collect::<Vec<_>>(), &flags);
    (folder, settings)
}

fn problems(folder: &tempfile::TempDir, settings: Settings) -> String {
    let told = settings.finish().map_or_else(|problems| problems.to_string(), |()| String::new());
    told.replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default() {
    let file = "[a]\nx = 1\ny = 1\nz = 1\n";
    let (folder, mut settings) =
        load(file, &[("GATEWAY__A__Y", "2"), ("GATEWAY__A__Z", "2"), ("OTHER__A__X", "9")], &["a.z=3"]);
    let mut read = |key: &str| settings.get(key, 0u32, "a number");
    assert_eq!([read("a.w"), read("a.x"), read("a.y"), read("a.z")], [0, 1, 2, 3]);
    assert_eq!(problems(&folder, settings), "");
}

#[test]
fn every_problem_is_told_at_once_with_file_line_and_key() {
    let (folder, mut settings) = load(
        "[limits]\nbody = \"5x\"\nbodi = 3\nmode = \"fast\"\n[[accounts]]\napp_id = \"wx1\"\n",
        &[],
        &["oops"],
    );
    settings.get("limits.body", Duration::from_secs(1), "How long.");
    for account in settings.tables("accounts") {
        settings.require::<String>(&format!("{account}.name"), "Its name.");
        settings.require::<String>(&format!("{account}.app_id"), "Its AppId.");
    }
    assert_eq!(settings.choice("limits.mode", 2, &[("safe", 1), ("plain", 2)], "How."), 2);
    assert_eq!(
        problems(&folder, settings),
        "--set oops: write it as key=value\n\
         gateway.toml:2: limits.body: \"5x\" is not a time such as 300ms, 5s, 10m, 2h or 7d\n\
         gateway.toml:6: accounts.0.name: is missing; its name.\n\
         gateway.toml:4: limits.mode: \"fast\" is not known; choose one of safe, plain\n\
         gateway.toml:3: limits.bodi: gateway has no such setting\n"
    );
}

#[test]
fn a_file_that_is_no_toml_is_told_with_its_place_and_nothing_seems_to_be_missing() {
    let (folder, mut settings) = load("a = 1\nb = = 2\n", &[], &["c=1", "oops"]);
    settings.require::<String>("d", "It.");
    let told = problems(&folder, settings);
    assert!(told.starts_with("gateway.toml:2:5: "), "{told}");
    assert_eq!(told.lines().skip(1).collect::<Vec<_>>(), ["--set oops: write it as key=value"]);

    let mut settings = Settings::load("gateway", Some(Path::new("/nowhere/gateway.toml")), [], &[]);
    settings.require::<String>("d", "It.");
    let told = settings.finish().unwrap_err().to_string();
    assert!(
        told.starts_with("/nowhere/gateway.toml: cannot be read: ") && told.lines().count() == 1,
        "{told}"
    );
}

#[test]
fn tables_that_must_differ_are_told_with_the_first_that_has_the_same() {
    let file = "[[accounts]]\nname = \"a\"\n[[accounts]]\nname = \"b\"\n[[accounts]]\nname = \"a\"\n[[accounts]]\n[[accounts]]\n";
    let (folder, mut settings) = load(file, &[], &["accounts.3.x=", "accounts.4.x="]);
    let tables = settings.tables("accounts");
    let names: Vec<String> = tables
        .iter()
        .map(|table| settings.get(&format!("{table}.name"), String::new(), "Its name."))
        .collect();
    tables.iter().for_each(|table| drop(settings.optional::<String>(&format!("{table}.x"), "X.")));
    settings.distinct(&tables, "name", names.iter().map(String::as_str));
    assert!(settings.print().contains("accounts.1.name = \"b\""), "{}", settings.print());
    let same = "gateway.toml:6: accounts.2.name: accounts.0 has the same; each needs its own\n";
    assert_eq!(problems(&folder, settings), same);
}

#[test]
fn a_secret_comes_from_its_file_and_is_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, "hush\n").unwrap();
    let flag = format!("token_file={}", file.display());
    let mut settings = Settings::load("gateway", None, [], &[flag, "inline=loud".to_owned()]);
    let (token, inline) = (settings.secret("token", "The token."), settings.secret("inline", "Another."));
    assert_eq!(token.as_ref().map(Secret::expose), Some("hush"));
    assert_eq!(inline.as_ref().map(Secret::expose), Some("loud"));
    let shown = format!("{} {token:?} {inline:?} {settings:?}", settings.print());
    assert!(!settings.print().contains("loud") && !shown.contains("hush"), "{shown}");
    assert_eq!(settings.finish(), Ok(()));
}

#[test]
fn the_shared_variables_reach_every_service_and_a_password_is_not_printed() {
    let variables = [
        ("REDIS_URL", "redis://:pass@host:1/0"),
        ("KAFKA_BOOTSTRAP", "k:1"),
        ("GATEWAY__KAFKA__BOOTSTRAP", "own:1"),
    ];
    let (folder, mut settings) = load("", &variables, &[]);
    assert_eq!(settings.get("redis.url", String::new(), "Redis."), "redis://:pass@host:1/0");
    assert_eq!(settings.get("kafka.bootstrap", String::new(), "Kafka."), "own:1");
    assert!(settings.print().contains("redis://…@host:1/0") && !settings.print().contains("pass"));
    assert_eq!(problems(&folder, settings), "");
}

#[test]
fn a_table_of_foreign_keys_keeps_their_dots() {
    let (_folder, settings) = load("[kafka.properties]\n\"security.protocol\" = \"SSL\"\n", &[], &[]);
    assert_eq!(settings.keys("kafka.properties"), ["security.protocol"]);
    assert_eq!(settings.names("kafka"), ["properties"]);
}

#[test]
fn an_address_is_absolute_and_takes_a_path() {
    for good in ["http://h:1", "https://go.example.com", "https://go.example.com/base/", "http://[::1]:80"] {
        assert!(address::is_address(good), "{good}");
    }
    for bad in
        ["", "go.example.com", "/base", "ftp://h", "https://", "http://h?x=1", "http://h#x", "http://a b"]
    {
        assert!(!address::is_address(bad), "{bad}");
    }
    let (folder, mut settings) = load("base = \"nonsense\"\nmany = \"http://a:1, b:2\"\n", &[], &[]);
    settings.required_address("base", "The base.");
    settings.required_address("none", "None.");
    settings.addresses("many", "http://c:3", "Many.");
    assert_eq!(
        problems(&folder, settings),
        "gateway.toml:1: base: \"nonsense\" is not an address such as http://host:port\n\
         none: is missing; none.\n\
         gateway.toml:2: many: \"b:2\" is not an address such as http://host:port\n"
    );
}

#[test]
fn a_blank_is_missing_and_an_address_has_a_scheme_and_a_host() {
    let (folder, mut settings) = load("app_id = \" \"\napi = \"nonsense\"\nhome = \"https://\"\n", &[], &[]);
    assert_eq!(settings.require::<String>("app_id", "Its AppId."), "");
    settings.address("api", "https://api.example", "The API.");
    settings.address("home", "https://home.example", "Home.");
    assert_eq!(settings.address("other", "https://other.example", "Other."), "https://other.example");
    assert_eq!(
        problems(&folder, settings),
        "gateway.toml:1: app_id: is missing; its AppId.\n\
         gateway.toml:2: api: \"nonsense\" is not an address such as http://host:port\n\
         gateway.toml:3: home: \"https://\" is not an address such as http://host:port\n"
    );
}

#[test]
fn what_names_a_person_is_read_and_never_shown() {
    let (folder, mut settings) = load("openid = \"oLi\"\n", &[], &[]);
    assert_eq!(settings.personal("openid", "Who it is."), "oLi");
    assert_eq!(settings.personal("other", "Who else."), "");
    assert!(!settings.print().contains("oLi"), "{}", settings.print());
    assert_eq!(problems(&folder, settings), "other: is missing; who else.\n");
}

#[test]
fn durations_read_as_they_are_written() {
    for text in ["300ms", "5s", "10m", "36h", "7d", "0ms"] {
        let duration = Duration::parse(text).unwrap();
        assert_eq!(Duration::parse(&duration.show()), Ok(duration), "{text}");
    }
    assert_eq!(Duration::from_secs(172_800).show(), "2d");
    assert!(
        Duration::parse("5").is_err() && Duration::parse("s").is_err() && Duration::parse("-1s").is_err()
    );
}
