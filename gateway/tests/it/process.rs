//! The process: a bad configuration ends it before anything is bound.

use std::{io::Write as _, net::TcpListener, process::Command};

const GOOD: [&str; 5] = [
    "links.secret=0123456789abcdef",
    "accounts.0.name=a",
    "accounts.0.app_id=wx1",
    "accounts.0.token=t",
    "accounts.0.mode=plain",
];

fn flags(more: &[String]) -> Vec<String> {
    let all = GOOD.into_iter().map(str::to_owned).chain(more.iter().cloned());
    all.flat_map(|flag| ["--set".to_owned(), flag]).collect()
}

#[test]
fn a_usual_build_has_no_failpoints() {
    let found =
        Command::new("grep").args(["-q", "FAILPOINTS", env!("CARGO_BIN_EXE_gateway")]).status().unwrap();
    assert_eq!(found.code(), Some(1), "it would die when somebody sets a variable");
}

/// Whatever can be built with failpoints, by the text of its first file. What that file needs is not there, so nothing gets built, but
/// what it says itself is said.
#[test]
fn a_release_build_with_failpoints_is_none() {
    let says_no = |file: &str, assertions: &str| {
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let built = Command::new(rustc)
            .args(["--edition=2024", "--crate-type=lib", "--emit=metadata", "-o", "/dev/null"])
            .args(["--cfg", "feature=\"failpoints\"", "-C", &format!("debug-assertions={assertions}")])
            .arg(format!("{}/../{file}", env!("CARGO_MANIFEST_DIR")))
            .output()
            .unwrap();
        let said = String::from_utf8(built.stderr).unwrap();
        assert!(!built.status.success() && said.contains("error"), "{said}");
        said.contains("error: failpoints belong into test builds only")
    };
    for file in ["gateway/src/main.rs", "content-service/src/main.rs", "wechat/src/lib.rs"] {
        assert_eq!((says_no(file, "off"), says_no(file, "on")), (true, false), "{file}");
    }
}

#[test]
fn a_bad_configuration_is_told_whole_with_its_own_exit_code_and_before_any_port_is_bound() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let text = format!(
        "[gateway]\nlisten = \"{}\"\n[limits]\nproduce_timeout = \"4s\"\n[[accounts]]\nname = \"a b\"\nmode = \"safest\"\n",
        taken.local_addr().unwrap()
    );
    file.write_all(text.as_bytes()).unwrap();
    let gateway =
        Command::new(env!("CARGO_BIN_EXE_gateway")).arg("--config").arg(file.path()).output().unwrap();
    let told = String::from_utf8(gateway.stderr).unwrap();
    assert_eq!(gateway.status.code(), Some(64), "{told}");
    for key in [
        "limits.produce_timeout",
        "accounts.0.name",
        "accounts.0.mode",
        "accounts.0.app_id",
        "accounts.0.token",
        "links.secret",
    ] {
        assert!(told.contains(key), "{key} is not in\n{told}");
    }
    assert!(!told.contains("cannot listen"), "{told}");
}

#[test]
fn a_taken_port_is_named_with_the_setting_that_moves_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("gateway.listen={}", taken.local_addr().unwrap());
    let flags = flags(&[listen, "admin.listen=127.0.0.1:0".to_owned()]);
    let gateway = Command::new(env!("CARGO_BIN_EXE_gateway")).args(flags).output().unwrap();
    let told = String::from_utf8(gateway.stderr).unwrap();
    assert_eq!(gateway.status.code(), Some(1), "{told}");
    assert!(
        told.contains("gateway.listen") && told.contains(&taken.local_addr().unwrap().to_string()),
        "{told}"
    );
}

#[test]
fn it_tells_its_own_name_and_version() {
    let told = Command::new(env!("CARGO_BIN_EXE_gateway")).arg("--version").output().unwrap();
    assert_eq!(String::from_utf8(told.stdout).unwrap(), format!("gateway {}\n", env!("CARGO_PKG_VERSION")));
}
