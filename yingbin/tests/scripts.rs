//! The scripts of `deploy/local`: set-up for somebody who is not root, and servers for tests that the environment may name.
#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt, symlink},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

const TOOLS: [&str; 16] = [
    "awk", "bash", "cat", "chmod", "cmp", "cp", "dirname", "find", "grep", "mkdir", "mktemp", "mv", "paste",
    "rm", "sed", "sort",
];

/// Who has no rights on this machine.
const NOBODY: u32 = 65_534;

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/local")
}

/// A project with nothing but these scripts and an empty cache, on a machine with nothing but everyday tools.
struct Machine(TempDir);

impl Machine {
    fn bare() -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        let (local, bin) = (machine.path("deploy/local"), machine.path("bin"));
        for folder in [&local, &bin] {
            fs::create_dir_all(folder).unwrap();
        }
        for file in fs::read_dir(scripts()).unwrap() {
            let file = file.unwrap().path();
            fs::copy(&file, local.join(file.file_name().unwrap())).unwrap();
        }
        for tool in TOOLS {
            symlink(on_the_path(tool), bin.join(tool)).unwrap();
        }
        fs::set_permissions(machine.0.path(), PermissionsExt::from_mode(0o777)).unwrap();
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Puts a program on the machine.
    fn has(&self, name: &str, script: &str) {
        let file = self.path("bin").join(name);
        fs::write(&file, format!("#!/usr/bin/env bash\n{script}\n")).unwrap();
        fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
    }

    /// Runs set-up as somebody who is not root.
    fn set_up(&self, goal: &str) -> Output {
        // A program that has just been written may be open in a child of another test: the shell only reads it.
        let mut command = Command::new(on_the_path("bash"));
        command
            .arg(self.path("deploy/local/setup"))
            .arg(goal)
            .env_clear()
            .env("PATH", self.path("bin"))
            .env("HOME", self.0.path());
        if self.0.path().metadata().unwrap().uid() == 0 {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.output().unwrap()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }
}

fn on_the_path(tool: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let found = std::env::split_paths(&path).map(|folder| folder.join(tool)).find(|file| file.exists());
    found.unwrap_or_else(|| panic!("{tool} is not on the PATH"))
}

fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn without_root_everything_that_is_missing_is_named_at_once_with_what_brings_it() {
    let ended = Machine::bare().set_up("test");
    let told = told(&ended);
    assert_eq!((ended.status.code(), ended.stdout.len()), (Some(1), 0), "{told}");
    for missing in [
        "Rust with cargo",
        "a C compiler",
        "a C++ compiler",
        "GNU make",
        "OpenSSL 3",
        "redis-server",
        "Maven",
    ] {
        let named = format!("  - {missing}");
        assert_eq!(told.matches(&named).count(), 1, "{missing}: {told}");
    }
    let command = told.lines().find(|line| line.starts_with("  brew install ")).unwrap();
    let packages: Vec<&str> = command.split_whitespace().skip(2).collect();
    for package in ["gcc", "make", "maven", "redis"] {
        assert_eq!(packages.iter().filter(|name| **name == package).count(), 1, "{package}: {command}");
    }
}

#[test]
fn what_only_root_can_install_is_named_with_debians_command() {
    let machine = Machine::bare();
    machine.has("apt-get", "exit 100");
    machine.has("apt-cache", "exit 100");
    machine.has("dpkg-query", "exit 1");
    machine.has("sudo", "exit 1");
    let ended = machine.set_up("run");
    let told = told(&ended);
    assert_eq!(ended.status.code(), Some(1), "{told}");
    let command = "\n  sudo apt-get install -y g++ gcc libssl-dev make pkg-config redis-server\n";
    assert!(told.contains(command), "{told}");
}

/// Package tools as Debian's: the machine has `libhave`, and its lists are too old until they are renewed.
fn debian(machine: &Machine) {
    let log = machine.path("asked");
    let log = log.display();
    let said = format!("echo \"$(basename \"$0\") $*\" >>{log}");
    symlink(on_the_path("basename"), machine.path("bin/basename")).unwrap();
    symlink(on_the_path("touch"), machine.path("bin/touch")).unwrap();
    machine.has(
        "apt-get",
        &format!(
            "{said}\ncase \" $* \" in\n*' update '*) touch {dir}/renewed ;;\n\
             *' install '*) exit 100 ;;\n\
             *' download '*) [[ -e {dir}/renewed ]] || exit 100; touch \"${{@: -1}}_1_any.deb\" ;;\nesac",
            dir = machine.0.path().display(),
        ),
    );
    machine.has(
        "apt-cache",
        "case \"${@: -1}\" in\nredis-server) printf '  Depends: libc6\\n |Depends: libnew\\n  Depends: libold\\n  Depends: libhave\\n  Depends: redis-tools\\n' ;;\nesac",
    );
    machine.has("dpkg-query", "[[ ${@: -1} == libhave ]] && printf 'ii '");
    let program = "#!/bin/sh\\necho \"fake $1 $LD_LIBRARY_PATH\"";
    machine.has(
        "dpkg",
        &format!(
            "case $2 in\n*redis-tools_*) mkdir -p \"$3/usr/bin\" && printf '{program}\\n' >\"$3/usr/bin/redis-server\" && chmod +x \"$3/usr/bin/redis-server\" ;;\n\
             *libnew_*) mkdir -p \"$3/usr/lib/new\" && touch \"$3/usr/lib/new/libnew.so.1\" ;;\n\
             *libssl-dev_*) mkdir -p \"$3/usr/include/openssl\" \"$3/usr/include/kind/openssl\" \"$3/usr/lib/kind\" &&\n\
             touch \"$3/usr/include/openssl/ssl.h\" \"$3/usr/include/kind/openssl/conf.h\" \"$3/usr/lib/kind/\"lib{{ssl,crypto}}.a ;;\nesac"
        ),
    );
}

#[test]
fn without_root_redis_and_openssl_are_unpacked_into_the_cache_with_what_the_machine_lacks_and_only_once() {
    let machine = Machine::bare();
    debian(&machine);
    for tool in ["cargo", "cc", "c++", "make"] {
        machine.has(tool, "exit 0");
    }
    let ended = machine.set_up("run");
    assert_eq!(ended.status.code(), Some(0), "{}", told(&ended));
    let mut server = Command::new(machine.path(".cache/bin/redis-server"));
    let server = server.arg("--version").env_remove("LD_LIBRARY_PATH").output().unwrap();
    let library = machine.path(".cache/redis/usr/lib/new");
    let said = String::from_utf8(server.stdout).unwrap();
    assert_eq!(said.trim(), format!("fake --version {}", library.canonicalize().unwrap().display()));

    for file in ["include/openssl/ssl.h", "include/openssl/conf.h", "lib/libssl.a", "lib/libcrypto.a"] {
        assert!(machine.path(".cache/openssl").join(file).is_file(), "{file}: {}", told(&ended));
    }
    let named = "\nOPENSSL_DIR = { value = \".cache/openssl\", relative = true }\n";
    assert!(machine.read(".cargo/config.toml").contains(named), "{}", machine.read(".cargo/config.toml"));

    let asked = machine.read("asked");
    let fetched: Vec<&str> = asked.lines().filter(|line| line.contains(" download ")).collect();
    let named = |package: &str| fetched.iter().any(|line| line.ends_with(&format!(" {package}")));
    assert!(named("redis-tools") && named("libnew"), "{asked}");
    assert!(!named("libhave") && !named("libold") && !named("libc6"), "what is there or has a twin: {asked}");
    assert!(!asked.contains(" install "), "nothing of the machine is touched: {asked}");

    let again = machine.set_up("run");
    assert_eq!((again.status.code(), told(&again)), (Some(0), String::new()));
    assert_eq!(machine.read("asked"), asked, "a second call asks for nothing");
}

/// What a command sees that runs with servers, where the environment names some of them.
fn with_servers(named: &[(&str, &str)]) -> (String, String) {
    let ask = "printf '%s %s ' \"$KAFKA_BOOTSTRAP\" \"$REDIS_URL\"; exit 7";
    let mut command = Command::new(scripts().join("with-servers"));
    command.env_remove("KAFKA_BOOTSTRAP").env_remove("REDIS_URL").envs(named.iter().copied());
    let ended = command.args(["bash", "-c", ask]).output().unwrap();
    assert_eq!(ended.status.code(), Some(7), "it ends as its command: {}", told(&ended));
    let said = String::from_utf8(ended.stdout).unwrap();
    let (kafka, redis) = said.trim_end().split_once(' ').unwrap();
    (kafka.to_owned(), redis.to_owned())
}

#[test]
fn a_server_that_the_environment_names_is_used_and_the_other_one_is_started() {
    let (kafka, redis) = ("kafka.example:1", "redis://redis.example:1");
    let both = with_servers(&[("KAFKA_BOOTSTRAP", kafka), ("REDIS_URL", redis)]);
    assert_eq!(both, (kafka.to_owned(), redis.to_owned()));
    let (given, started) = with_servers(&[("KAFKA_BOOTSTRAP", kafka)]);
    assert_eq!(given, kafka);
    assert!(started.starts_with("redis://127.0.0.1:"), "{started}");
    let (started, given) = with_servers(&[("REDIS_URL", redis), ("KAFKA_BOOTSTRAP", "")]);
    assert_eq!(given, redis);
    assert!(started.starts_with("127.0.0.1:"), "{started}");
}

/// What `cargo` is told and finds in its environment when `make` runs a lane on a machine whose environment names both servers.
fn lane(name: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let cargo = folder.path().join("cargo");
    fs::write(
        &cargo,
        "#!/bin/sh\necho \"$2 $3 ${KAFKA_BOOTSTRAP-none} ${REDIS_URL-none}\" >>\"$(dirname \"$0\")/told\"\n",
    )
    .unwrap();
    fs::set_permissions(&cargo, PermissionsExt::from_mode(0o755)).unwrap();
    let path = std::env::join_paths(
        [folder.path().to_owned()]
            .into_iter()
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let mut make = Command::new("make");
    make.arg(name).current_dir(scripts().join("../..")).env("PATH", path.unwrap()).env_remove("MAKEFLAGS");
    let ended = make.env("KAFKA_BOOTSTRAP", "given:1").env("REDIS_URL", "redis://given:2").output().unwrap();
    assert!(ended.status.success(), "{}", told(&ended));
    fs::read_to_string(folder.path().join("told")).unwrap().trim_end().to_owned()
}

#[test]
fn of_make_test_one_lane_uses_the_servers_of_the_environment_and_the_others_their_own() {
    assert_eq!(lane("lane-short"), "--workspace --lib none none");
    assert_eq!(lane("lane-promises"), "--workspace --test none none");
    assert_eq!(lane("lane-servers"), "--workspace --test given:1 redis://given:2");
}
