//! The environment names a proxy: nothing goes there.

use std::io::ErrorKind;
use std::net::TcpListener;

use tokio::process::Command;
use wechat::api::Sent;

use crate::support::{Server, errcode};
use crate::{MESSAGE, PATIENCE};

/// Set for the process that this test starts of itself: an environment cannot be changed under running threads.
const INSIDE: &str = "WECHAT_TEST_INSIDE";
const THIS: &str = "proxy::a_proxy_of_the_environment_is_not_asked";

#[tokio::test]
async fn a_proxy_of_the_environment_is_not_asked() {
    if std::env::var_os(INSIDE).is_some() {
        let server = Server::sending(|| errcode(0)).await;
        assert_eq!(server.client().send(MESSAGE, PATIENCE).await, Sent::Taken);
        return;
    }
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", proxy.local_addr().unwrap());
    let mut inside = Command::new(std::env::current_exe().unwrap());
    inside.args([THIS, "--exact"]).env(INSIDE, "1").env_remove("NO_PROXY").env_remove("no_proxy");
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        inside.env(name, &url);
    }
    let ended = inside.kill_on_drop(true).output().await.unwrap();
    let told = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success() && told.contains("1 passed"), "{told}");
    proxy.set_nonblocking(true).unwrap();
    assert_eq!(proxy.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "somebody came to the proxy");
}
