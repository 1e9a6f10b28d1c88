//! Playbooks that change while the service runs.

use proto::reply::Outcome;

use crate::world::{World, until};

/// As a mounted volume changes its files: a link of many is led elsewhere.
fn swapped(world: &World, number: usize, text: &str) {
    let folder = world.folder.path();
    let (file, data, link) =
        (folder.join("shop.yaml"), folder.join(format!("{number}")), folder.join("link"));
    std::fs::write(&data, text).unwrap();
    std::os::unix::fs::symlink(&data, &link).unwrap();
    std::fs::rename(&link, &file).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_playbook_that_is_swapped_is_taken_over_and_half_of_one_is_not() {
    let mut world = World::start(1).await;
    world.push(&world.text("o0", "before", "hello")).await;
    world.outcome("before").await;
    let good = std::fs::read_to_string(world.folder.path().join("shop.yaml")).unwrap();
    let changed = good.replace("'{{ event.text }}'", "'changed: {{ event.text }}'");
    let (half, _) = changed.split_once("first").unwrap();
    swapped(&world, 1, half);
    let refused = "content_playbook_refused_total{name=\"shop\"} 1";
    until("half of it is refused", async || world.metrics().await.contains(refused)).await;
    world.push(&world.text("o1", "meanwhile", "hello")).await;
    world.outcome("meanwhile").await;
    assert_eq!(world.api.contents("o1"), ["hello"]);
    swapped(&world, 2, &changed);
    in_force(&world, "changed: hello").await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_playbook_never_replaces_a_good_one() {
    let mut world = World::start(1).await;
    let file = world.folder.path().join("shop.yaml");
    let good = std::fs::read_to_string(&file).unwrap();
    world.push(&world.text("o1", "before", "hello")).await;
    world.outcome("before").await;
    std::fs::write(&file, "account: [").unwrap();
    let refused = "content_playbook_refused_total{name=\"shop\"} 1";
    until("the bad playbook is refused", async || world.metrics().await.contains(refused)).await;
    world.push(&world.text("o1", "meanwhile", "hello")).await;
    assert_eq!(world.outcome("meanwhile").await.outcome(), Outcome::Sent);
    std::fs::write(&file, good.replace("'{{ event.text }}'", "'changed: {{ event.text }}'")).unwrap();
    in_force(&world, "changed: hello").await;
    world.stop().await;
}

/// Waits until somebody is answered with it.
async fn in_force(world: &World, answer: &str) {
    let mut number = 0;
    until("the changed playbook is in force", async || {
        number += 1;
        let user = format!("p{number}");
        world.push(&world.text(&user, &format!("e{number}"), "hello")).await;
        world.outcome(&format!("e{number}")).await;
        world.api.contents(&user) == [answer]
    })
    .await;
}
