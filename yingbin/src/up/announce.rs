//! Tells where everything is: people on standard error, programs on standard output and in `.yingbin/up.json`.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{
    file::{self, UpFile},
    system::System,
};
use crate::folders;

/// The addresses of a running system.
#[derive(Debug)]
pub struct Announcement {
    json: Value,
    banner: String,
    elsewhere: String,
    file: Option<UpFile>,
}

impl Announcement {
    /// Of a system that has reached the present.
    #[must_use]
    pub fn of(system: &System) -> Self {
        let addresses = &system.addresses;
        let accounts = system.examples.iter().map(|example| {
            let account = &example.account;
            json!({
                "name": account.name,
                "path": format!("/wechat/{}", account.name),
                "app_id": account.app_id,
                "token": account.token,
                "aes_key": account.aes_key,
                "mode": account.mode.as_str(),
            })
        });
        let [gateway, profile, content] = &addresses.admin;
        let json = json!({
            "gateway": addresses.gateway,
            "simulator": addresses.simulator,
            "admin": {"gateway": gateway, "profile": profile, "content": content},
            "profile": addresses.profile,
            "kafka": system.kafka().bootstrap,
            "redis": system.redis().url,
            "accounts": accounts.collect::<Vec<_>>(),
        });
        Self { json, banner: banner(system), elsewhere: elsewhere(system), file: None }
    }

    /// The line of JSON.
    #[must_use]
    pub fn json(&self) -> &Value {
        &self.json
    }

    /// Writes file and banner, and the line where it is asked for. Where another system runs in this folder the file stays that
    /// one's, and the banner says so.
    ///
    /// # Errors
    /// The file cannot be written.
    #[expect(clippy::print_stdout, reason = "the answer of a command")]
    pub fn write(&mut self, on_stdout: bool) -> Result<()> {
        self.file = UpFile::write(Path::new(file::PATH), &format!("{}\n", self.json))
            .with_context(|| format!("{} cannot be written", file::PATH))?;
        eprint!("{}", self.banner);
        if self.file.is_none() {
            eprint!("{}", self.elsewhere);
        }
        if on_stdout {
            println!("{}", self.json);
        }
        Ok(())
    }
}

impl Drop for Announcement {
    /// Removes the file, if it is this system's: that runs here no more.
    fn drop(&mut self) {
        if let Some(Err(error)) = self.file.take().map(UpFile::remove) {
            tracing::warn!(%error, "up.json could not be removed");
        }
    }
}

fn banner(system: &System) -> String {
    let addresses = &system.addresses;
    let [gateway_admin, profile_admin, content_admin] = &addresses.admin;
    format!(
        "\n  Yingbin 迎宾 is at the door.\n\n    \
         phone      {simulator}\n    \
         gateway    {gateway}\n    \
         profiles   {profile}  (gRPC, reflection on)\n    \
         metrics    {gateway_admin}/metrics  {profile_admin}/metrics  {content_admin}/metrics\n    \
         kafka      {kafka}\n    \
         redis      {redis}\n\n  \
         volatile   {volatile}: gone when this ends\n  \
         next       open the phone, choose 李大爷, let him enter; ask `{program} tail replies` in another terminal\n  \
         stop       Ctrl-C\n\n",
        simulator = addresses.simulator,
        gateway = addresses.gateway,
        profile = addresses.profile,
        kafka = system.kafka().bootstrap,
        redis = system.redis().url,
        volatile = system.volatile().join(" and "),
        program = folders::program(),
    )
}

fn elsewhere(system: &System) -> String {
    format!(
        "  note       another `yingbin up` runs in this folder and keeps {file}, so commands find that one;\n             \
         to reach this one give them --kafka {kafka} or --profile {profile}\n\n",
        file = file::PATH,
        kafka = system.kafka().bootstrap,
        profile = system.addresses.profile,
    )
}
