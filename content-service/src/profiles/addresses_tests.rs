//! Who is asked while names change, fail and find nobody.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use proptest::prelude::*;

use super::*;

fn address(n: u8) -> SocketAddr {
    ([10, 0, 0, n], 50051).into()
}

fn some(numbers: &[u8]) -> BTreeSet<SocketAddr> {
    numbers.iter().copied().map(address).collect()
}

/// `+10.0.0.1` and `-10.0.0.1`, in order.
fn told(changes: &[AddressChange]) -> Vec<String> {
    let word = |change: &AddressChange| match change {
        Change::Insert(address, _) => format!("+{}", address.ip()),
        Change::Remove(address) => format!("-{}", address.ip()),
    };
    changes.iter().map(word).collect()
}

#[test]
fn addresses_that_come_are_asked_before_those_that_go_are_left() {
    let mut book = AddressBook::default();
    assert_eq!(told(&book.note("a", some(&[1, 2]))), ["+10.0.0.1", "+10.0.0.2"]);
    assert_eq!(told(&book.note("a", some(&[1, 2]))), [""; 0]);
    assert_eq!(told(&book.note("a", some(&[2, 3]))), ["+10.0.0.3", "-10.0.0.1"]);
}

#[test]
fn a_look_up_that_finds_nobody_changes_nothing() {
    let mut book = AddressBook::default();
    assert_eq!(told(&book.note("a", some(&[]))), [""; 0]);
    book.note("a", some(&[1]));
    assert_eq!(told(&book.note("a", some(&[]))), [""; 0]);
    assert_eq!(book.all(), some(&[1]));
}

#[test]
fn a_name_that_is_not_found_keeps_its_addresses_while_another_is_found() {
    let mut book = AddressBook::default();
    book.note("a", some(&[1]));
    book.note("b", some(&[2]));
    assert_eq!(told(&book.note("a", some(&[]))), [""; 0]);
    assert_eq!(told(&book.note("b", some(&[3]))), ["+10.0.0.3", "-10.0.0.2"]);
    assert_eq!(book.all(), some(&[1, 3]));
}

#[test]
fn an_address_under_two_names_is_left_when_neither_has_it() {
    let mut book = AddressBook::default();
    book.note("a", some(&[1, 2]));
    assert_eq!(told(&book.note("b", some(&[1]))), [""; 0]);
    assert_eq!(told(&book.note("a", some(&[2]))), [""; 0]);
    assert_eq!(told(&book.note("b", some(&[2]))), ["-10.0.0.1"]);
}

proptest! {
    #[test]
    fn whoever_follows_the_changes_knows_the_addresses_and_never_has_none(
        found in proptest::collection::vec((0..3_u8, proptest::collection::btree_set(0..6_u8, 0..4)), 1..40)
    ) {
        let (mut book, mut follower) = (AddressBook::default(), BTreeSet::new());
        for (name, numbers) in found {
            for change in book.note(&name.to_string(), numbers.into_iter().map(address).collect()) {
                let known = match change {
                    Change::Insert(address, _) => follower.insert(address),
                    Change::Remove(address) => follower.remove(&address),
                };
                prop_assert!(known, "told twice");
                prop_assert!(!follower.is_empty());
            }
            prop_assert_eq!(&follower, &book.all());
        }
    }
}
