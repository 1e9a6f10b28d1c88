//! How each service of a stand is set up and started.

use std::{fs, sync::atomic::Ordering};

use runtime::{clock::Clock, kafka::Kafka, tls::TlsFiles};
use yingbin::example::Account;

use super::{Edges, SECRET, Stand, local};
use crate::{
    cluster,
    proxy::Proxy,
    service::{Program, Service},
    support::processes::free_port,
    volume::{NAMES as SECRETS, Volume},
};

/// Whoever has a name, where a stand goes by names.
const NAMED: [&str; 4] = [cluster::NAME, "redis.test", "profile.test", "api.test"];

impl Stand {
    /// Gives everybody a name, or takes all names away.
    pub(crate) fn names(&self, there: bool) {
        let line = if there { format!("127.0.0.1 {}\n", NAMED.join(" ")) } else { String::new() };
        fs::create_dir_all(&self.etc).unwrap();
        fs::write(self.etc.join("hosts"), line).unwrap();
        fs::write(self.etc.join("nsswitch.conf"), "hosts: files\n").unwrap();
        self.kafka_touched.store(Clock::system().now_ms(), Ordering::Relaxed);
    }

    /// An edge by its address, or by its name.
    fn at(&self, edge: &Proxy, name: &str) -> String {
        let address = edge.address();
        if self.shape.names { format!("{name}.test:{}", address.port()) } else { address.to_string() }
    }

    /// The table of Redis, at an edge.
    fn redis(&self, edge: &Proxy) -> String {
        let (at, more) = (self.at(edge, "redis"), self.shape.redis);
        let Some(TlsFiles { ca, certificate, key }) = &self.redis_files else {
            return format!("[redis]\nurl = 'redis://{at}'\n{more}\n");
        };
        let files = [("ca", ca), ("certificate", certificate), ("key", key)].into_iter();
        let files =
            files.filter_map(|(name, path)| Some(format!("{name} = '{}'\n", path.as_ref()?.display())));
        format!("[redis]\nurl = 'rediss://{at}'\n{}{more}\n", files.collect::<String>())
    }

    pub(super) fn launch(
        &self,
        program: &str,
        n: usize,
        Kafka { bootstrap, namespace, .. }: &Kafka,
        own: &str,
    ) -> Service {
        let admin = free_port();
        let (more, listen) = (self.shape.kafka, local(admin));
        let settings = format!(
            "namespace = '{namespace}'\n[kafka]\nbootstrap = '{bootstrap}'\n{more}\n[admin]\nlisten = '{listen}'\n{own}"
        );
        let program = Program {
            name: program,
            older: self.older,
            failpoints: self.shape.failpoints.as_deref().filter(|_| n == 0),
            unread: self.shape.unread,
            etc: self.shape.names.then_some(&self.etc),
        };
        Service::launch(&program, &format!("{}-{n}", program.name), &self.folder, admin, &settings)
    }

    pub(super) fn gateway_settings(&self, n: usize) -> String {
        let folder = self.folder.join(format!("spool-{n}"));
        // A build from before the spool is tested too.
        let spool = if self.shape.spool && Program::named("gateway").knows("spool.dir") {
            fs::create_dir_all(&folder).unwrap();
            format!("[spool]\ndir = '{}'\n", folder.display())
        } else {
            String::new()
        };
        let accounts = self.pusher.accounts.iter().map(|account| {
            let Account { name, app_id, mode, home_url, .. } = account;
            format!(
                "[[accounts]]\nname = '{name}'\napp_id = '{app_id}'\n{}mode = '{}'\nhome_url = '{home_url}'\n",
                self.secrets(account),
                mode.as_str()
            )
        });
        format!(
            "[gateway]\nlisten = '{}'\n[shutdown]\nannounce = '1s'\n[links]\nsecret = '{SECRET}'\n{spool}{}\n{}",
            local(self.gateway_ports[n]),
            self.shape.gateway,
            accounts.collect::<String>()
        )
    }

    /// Token and key of an account, or where they stand: those of the start, where nothing stands there yet.
    fn secrets(&self, account: &Account) -> String {
        let Account { name, token, aes_key, .. } = account;
        if !self.shape.secret_files {
            return format!("token = '{token}'\naes_key = '{aes_key}'\n");
        }
        let volume = self.secrets_of(name);
        if !volume.file("token").exists() {
            volume.holds([token, aes_key, "", ""]);
        }
        SECRETS.map(|secret| format!("{secret}_file = '{}'\n", volume.file(secret).display())).concat()
    }

    /// The volume with an account's secrets.
    pub(crate) fn secrets_of(&self, account: &str) -> Volume {
        Volume::at(self.folder.join(format!("secrets-{account}")))
    }

    pub(super) fn profile_settings(&self) -> String {
        let (port, redis) = (local(self.profile_port), self.redis(&self.edges.memory));
        format!("[grpc]\nlisten = '{port}'\n{}\n{redis}", self.shape.profile)
    }

    pub(super) fn content_settings(&self) -> String {
        let Edges { push, api, ledger, enrich, .. } = &self.edges;
        let accounts = self.pusher.accounts.iter().map(|account| {
            let Account { name, app_id, app_secret, .. } = account;
            let kind = if name == "csair" { "official" } else { "mini_program" };
            let playbook = self.folder.join(format!("{name}.yaml"));
            format!(
                "[[accounts]]\nname = '{name}'\napp_id = '{app_id}'\nsecret = '{app_secret}'\nkind = '{kind}'\n\
                 api = 'http://{}'\nplaybook = '{}'\n",
                self.at(api, "api"),
                playbook.display()
            )
        });
        format!(
            "[delivery]\ncheck_right = false\n{}[profile]\nendpoint = 'http://{}'\n\
             [links]\nsecret = '{SECRET}'\nbase_url = 'http://{}'\n{}{}",
            self.redis(ledger),
            self.at(enrich, "profile"),
            push.address(),
            self.shape.content,
            accounts.collect::<String>()
        )
    }
}
