//! How each service of a stand is set up and started.

use std::fs;

use runtime::kafka::Kafka;
use yingbin::example::Account;

use super::{Edges, SECRET, Stand, local};
use crate::{
    service::{Program, Service},
    support::processes::free_port,
};

impl Stand {
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
        };
        Service::launch(&program, &format!("{}-{n}", program.name), &self.folder, admin, &settings)
    }

    pub(super) fn gateway_settings(&self, n: usize) -> String {
        let folder = self.folder.join(format!("spool-{n}"));
        // A build from before the spool is tested too.
        let spool = if Program::named("gateway").knows("spool.dir") {
            fs::create_dir_all(&folder).unwrap();
            format!("[spool]\ndir = '{}'\n", folder.display())
        } else {
            String::new()
        };
        let accounts = self.pusher.accounts.iter().map(|account| {
            let Account { name, app_id, token, aes_key, mode, home_url, .. } = account;
            format!(
                "[[accounts]]\nname = '{name}'\napp_id = '{app_id}'\ntoken = '{token}'\naes_key = '{aes_key}'\n\
                 mode = '{}'\nhome_url = '{home_url}'\n",
                mode.as_str()
            )
        });
        format!(
            "[gateway]\nlisten = '{}'\n[shutdown]\nannounce = '1s'\n[links]\nsecret = '{SECRET}'\n{spool}{}",
            local(self.gateway_ports[n]),
            accounts.collect::<String>()
        )
    }

    pub(super) fn profile_settings(&self) -> String {
        let (port, redis, more) = (local(self.profile_port), self.edges.memory.address(), self.shape.profile);
        format!("[grpc]\nlisten = '{port}'\n{more}\n[redis]\nurl = 'redis://{redis}'\n")
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
                api.address(),
                playbook.display()
            )
        });
        format!(
            "[delivery]\ncheck_right = false\n[redis]\nurl = 'redis://{}'\n[profile]\nendpoint = 'http://{}'\n\
             [links]\nsecret = '{SECRET}'\nbase_url = 'http://{}'\n{}",
            ledger.address(),
            enrich.address(),
            push.address(),
            accounts.collect::<String>()
        )
    }
}
