//! Where the servers are: flags, else a running `yingbin up`, else the environment.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow};
use clap::Args;
use content_service::profiles;
use runtime::{config::Settings, kafka::Kafka, tls::TlsFiles};
use serde::Deserialize;
use tonic::transport::Endpoint;

use super::{Usage, usage};

const UP_FILE: &str = ".yingbin/up.json";

/// Flags that say where Kafka is.
#[derive(Args, Clone, Debug, Default)]
pub struct KafkaFlags {
    /// Kafka brokers, `host:port`, separated by commas. Without it: a running `yingbin up`, then `KAFKA_BOOTSTRAP`.
    #[arg(long, value_name = "HOST:PORT")]
    pub kafka: Option<String>,
    /// The installation's `namespace`, if it has one.
    #[arg(long, value_name = "PREFIX", default_value = "", hide_default_value = true)]
    pub namespace: String,
    /// A librdkafka property, for TLS and SASL; a secret by its file, as in `sasl.password_file=FILE`. May be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub kafka_property: Vec<String>,
}

/// Flags that say where the ledger's Redis is.
#[derive(Args, Clone, Debug, Default)]
pub struct RedisFlags {
    /// The ledger's Redis, `redis://host:port`, `rediss://` with TLS. Without it: a running `yingbin up`, then `REDIS_URL`.
    #[arg(long, value_name = "URL")]
    pub redis: Option<String>,
    /// The authorities (PEM) that may vouch for Redis; without it: the public ones.
    #[arg(long, value_name = "FILE")]
    pub redis_ca: Option<PathBuf>,
    /// The own certificate (PEM), where Redis asks for one.
    #[arg(long, value_name = "FILE", requires = "redis_key")]
    pub redis_certificate: Option<PathBuf>,
    /// The key (PEM) of the own certificate.
    #[arg(long, value_name = "FILE", requires = "redis_certificate")]
    pub redis_key: Option<PathBuf>,
    /// The installation's `namespace`, if it has one.
    #[arg(long, value_name = "PREFIX", default_value = "", hide_default_value = true)]
    pub namespace: String,
}

impl RedisFlags {
    /// The files for TLS.
    #[must_use]
    pub fn tls(&self) -> TlsFiles {
        let Self { redis_ca, redis_certificate, redis_key, .. } = self.clone();
        TlsFiles { ca: redis_ca, certificate: redis_certificate, key: redis_key }
    }
}

/// Flags that say where profile-service is.
#[derive(Args, Clone, Debug, Default)]
pub struct ProfileFlags {
    /// profile-service, `http://host:50051`. Without it: a running `yingbin up`, then `PROFILE_URL`.
    #[arg(long, value_name = "URL")]
    pub profile: Option<String>,
    /// The authorities (PEM) that may vouch for profile-service at `https://…`; without it: the public ones.
    #[arg(long, value_name = "FILE")]
    pub profile_ca: Option<PathBuf>,
    /// The own certificate (PEM), where profile-service asks for one.
    #[arg(long, value_name = "FILE", requires = "profile_key")]
    pub profile_certificate: Option<PathBuf>,
    /// The key (PEM) of the own certificate.
    #[arg(long, value_name = "FILE", requires = "profile_certificate")]
    pub profile_key: Option<PathBuf>,
}

impl ProfileFlags {
    fn tls(&self) -> TlsFiles {
        let Self { profile_ca, profile_certificate, profile_key, .. } = self.clone();
        TlsFiles { ca: profile_ca, certificate: profile_certificate, key: profile_key }
    }
}

/// An account as a running `yingbin up` tells it.
#[derive(Clone, Debug, Deserialize)]
pub struct Account {
    /// Its name in the configuration.
    pub name: String,
    /// `/wechat/{name}`.
    pub path: String,
    /// Its AppId.
    pub app_id: String,
    /// Its token.
    pub token: String,
    /// Its `EncodingAESKey`; absent or empty in plain mode.
    #[serde(default)]
    pub aes_key: Option<String>,
    /// `plain`, `compatible` or `safe`.
    pub mode: String,
}

#[derive(Debug, Deserialize)]
struct Up {
    gateway: String,
    simulator: String,
    profile: String,
    kafka: String,
    redis: String,
    accounts: Vec<Account>,
}

/// Where the servers are.
#[derive(Debug)]
pub struct Servers {
    up: Option<Up>,
}

impl Servers {
    /// Looks for a running `yingbin up` from the current directory upwards.
    ///
    /// # Errors
    /// There is a `.yingbin/up.json` that cannot be read.
    pub fn find() -> anyhow::Result<Self> {
        let up = up_file(&env::current_dir()?).map(|path| read(&path)).transpose()?;
        Ok(Self { up })
    }

    /// The Kafka cluster.
    ///
    /// # Errors
    /// Nobody says where it is, or a property cannot be used.
    pub fn kafka(&self, flags: &KafkaFlags) -> anyhow::Result<Kafka> {
        let up = self.up.as_ref().map(|up| up.kafka.clone());
        let bootstrap = choose(flags.kafka.as_ref(), up, "KAFKA_BOOTSTRAP").ok_or_else(|| {
            anyhow!("no Kafka found: start `yingbin up`, or give --kafka host:port, or set KAFKA_BOOTSTRAP")
        })?;
        let properties = flags.kafka_property.iter().map(|property| format!("kafka.properties.{property}"));
        let given = [format!("kafka.bootstrap={bootstrap}"), format!("namespace={}", flags.namespace)];
        let mut settings =
            Settings::load("yingbin", None, [], &given.into_iter().chain(properties).collect::<Vec<_>>());
        let kafka = Kafka::read(&mut settings);
        settings.finish().map_err(|problems| Usage::new(by_flag(&problems.to_string())))?;
        Ok(kafka)
    }

    /// Where profile-service is.
    ///
    /// # Errors
    /// Nobody says where it is, it is no address, or a file for TLS cannot be used.
    pub fn profile(&self, flags: &ProfileFlags) -> anyhow::Result<Endpoint> {
        let up = self.up.as_ref().map(|up| up.profile.clone());
        let url = choose(flags.profile.as_ref(), up, "PROFILE_URL").ok_or_else(|| {
            anyhow!(
                "no profile-service found: start `yingbin up`, or give --profile http://host:50051, or set PROFILE_URL"
            )
        })?;
        usage::address("--profile", &url, "http://host:50051")?;
        let secure = url.starts_with("https:");
        let endpoint = Endpoint::from_shared(url)?;
        if !secure {
            return Ok(endpoint);
        }
        let tls = profiles::tls(&flags.tls()).map_err(|error| Usage::new(format!("--profile-{error}")))?;
        Ok(endpoint.tls_config(tls)?)
    }

    /// Address of the ledger's Redis; it may hold a password.
    ///
    /// # Errors
    /// Nobody says where it is.
    pub fn redis(&self, flags: &RedisFlags) -> anyhow::Result<String> {
        let up = self.up.as_ref().map(|up| up.redis.clone());
        choose(flags.redis.as_ref(), up, "REDIS_URL").ok_or_else(|| {
            anyhow!("no Redis found: start `yingbin up`, or give --redis redis://host:port, or set REDIS_URL")
        })
    }

    /// An account of a running `yingbin up` and the address that takes its pushes.
    ///
    /// # Errors
    /// Nothing is running, or it has no such account.
    pub fn account(&self, name: &str) -> Result<(&Account, String), Usage> {
        let up = self.up.as_ref().ok_or_else(|| {
            Usage::new(format!(
                "--account {name} needs a `yingbin up` that runs in this folder or above it, and none does; without one \
                 give --url, --token, --app-id and --mode"
            ))
        })?;
        let account = up.accounts.iter().find(|account| account.name == name).ok_or_else(|| {
            Usage::new(format!("`yingbin up` has no account {name:?}; it has {}", names(&up.accounts)))
        })?;
        Ok((account, format!("{}{}", up.gateway.trim_end_matches('/'), account.path)))
    }

    /// Where the simulator of a running `yingbin up` is.
    #[must_use]
    pub fn simulator(&self) -> Option<&str> {
        self.up.as_ref().map(|up| up.simulator.as_str())
    }

    /// The AppId that is meant: a name of a running `yingbin up`, else the text itself; without one the only account.
    ///
    /// # Errors
    /// Nothing was given and there is not exactly one account.
    pub fn app_id(&self, account: Option<&str>) -> Result<String, Usage> {
        let accounts = self.up.as_ref().map_or(&[][..], |up| &up.accounts);
        match (account, accounts) {
            (Some(given), known) => {
                let named = known.iter().find(|account| account.name == given);
                match named {
                    Some(account) => Ok(account.app_id.clone()),
                    None if known.is_empty() || given.starts_with("wx") => Ok(given.to_owned()),
                    None => Err(Usage::new(format!(
                        "there is no account {given}: `yingbin up` has {}; an AppId begins with wx",
                        names(known)
                    ))),
                }
            }
            (None, [only]) => Ok(only.app_id.clone()),
            (None, []) => Err(Usage::new("--account APP_ID is missing: whose user is it?")),
            (None, many) => Err(Usage::new(format!(
                "--account is missing: whose user is it? `yingbin up` has {}",
                names(many)
            ))),
        }
    }
}

fn choose(flag: Option<&String>, up: Option<String>, variable: &str) -> Option<String> {
    let set = || env::var(variable).ok().filter(|value| !value.is_empty());
    flag.cloned().or(up).or_else(set)
}

/// What is wrong with settings, in the words of the flags that gave them.
fn by_flag(problems: &str) -> String {
    let words = [
        ("--set: ", "--set "),
        ("--set kafka.properties.", "--kafka-property "),
        ("--set kafka.bootstrap", "--kafka"),
    ];
    words.iter().fold(problems.trim_end().to_owned(), |told, (setting, flag)| told.replace(setting, flag))
}

fn names(accounts: &[Account]) -> String {
    accounts.iter().map(|account| account.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn up_file(from: &Path) -> Option<PathBuf> {
    from.ancestors().map(|folder| folder.join(UP_FILE)).find(|path| is_held(path))
}

/// Whoever runs holds his file; one that nobody holds was left by a process that was killed.
fn is_held(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| file.try_lock_shared().is_err())
}

fn read(path: &Path) -> anyhow::Result<Up> {
    let text = fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    serde_json::from_str(&text).with_context(|| {
        format!("{} is not from this version of `yingbin up`: remove it, or start it again", path.display())
    })
}

#[cfg(test)]
mod tests;
