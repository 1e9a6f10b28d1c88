//! The folder at its edges: notes that lie, files for a person, bounds, owners, a disk that fails.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::fs::symlink,
    path::Path,
    sync::Arc,
};

use runtime::clock::Clock;
use tempfile::TempDir;
use tokio::sync::{Notify, mpsc, oneshot};

use super::{
    frame::HEAD,
    gate::Gate,
    model_tests::{BOUNDS, World, flip},
    notes,
    segment::{Damage, WriteError},
    store::{Full, OpenError, Recovered, Store},
    writer::{Append, Command, NotSpooled, Writer},
};
use crate::metrics::SpoolMetrics;

#[test]
fn a_bit_flipped_in_the_notes_of_what_was_drained_loses_nothing() {
    for bit in 0..2 * 12 * 8 {
        let mut world = World::new();
        world.append(&[10, 20, 30]);
        world.remove(0);
        world.remove(0);
        let last = world.waiting[0].clone();
        flip(&world.files()[0].with_extension("done"), bit);
        world.store = None;
        let mut found = Vec::new();
        Store::open(world.folder.path(), BOUNDS, 7, 99, &mut |body| {
            found.push(body.to_vec());
            0
        })
        .unwrap();
        assert_eq!(found.len(), 2, "one is sent again");
        assert_eq!(found.last(), Some(&last));
    }
}

#[test]
fn a_torn_note_costs_one_repetition_at_most() {
    let mut world = World::new();
    world.append(&[10, 20, 30]);
    world.remove(0);
    let notes = notes::path(&world.files()[0]);
    OpenOptions::new().append(true).open(&notes).unwrap().write_all(&[7; 5]).unwrap();
    world.remove(0);
    // What was noted before it and after it is not sent again.
    world.start();
}

#[test]
fn what_is_damaged_or_set_aside_stays_for_a_person_when_the_rest_has_drained() {
    let mut world = World::new();
    world.append(&[10, 20, 30]);
    flip(&world.files()[0], 8 * HEAD + 1);
    world.waiting.remove(0);
    assert_eq!(world.start().damage.records, 1);
    world.remove(0);
    let left = world.store().waiting_from(0).next().unwrap().0;
    world.store().set_aside(left);
    assert_eq!((world.store().waiting(), world.store().bytes(), world.files().len()), (0, 0, 0));
    let aside = world.folder.path().join("aside");
    let names: Vec<String> =
        fs::read_dir(&aside).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    // Moved back, what was set aside is tried again and what was drained is not.
    for name in names {
        fs::rename(aside.join(&name), world.folder.path().join(&name)).unwrap();
    }
    world.store = None;
    let mut found = 0;
    Store::open(world.folder.path(), BOUNDS, 7, 99, &mut |_| {
        found += 1;
        0
    })
    .unwrap();
    assert_eq!(found, 1);
}

#[test]
fn a_file_that_cannot_be_read_is_counted_and_left_and_its_events_come_when_it_can() {
    let mut world = World::new();
    world.append(&[10, 20]);
    let (file, away) = (world.files()[0].clone(), world.folder.path().join("away"));
    fs::rename(&file, &away).unwrap();
    fs::create_dir(&file).unwrap();
    let unread = std::mem::take(&mut world.waiting);
    // The clock was set back, too: the same moment, so that the same numbers would come next.
    world.starts = 0;
    assert_eq!(world.start().damage.records, 1);
    world.append(&[30, 40]);
    world.remove(0);
    assert!(file.is_dir(), "it is where it was");
    fs::remove_dir(&file).unwrap();
    fs::rename(&away, &file).unwrap();
    world.waiting.splice(..0, unread);
    assert_eq!(world.start().damage, Damage::default());
}

#[test]
fn a_read_error_is_told_with_the_file_and_without_an_end_of_the_start() {
    let mut world = World::new();
    world.append(&[10]);
    // Whoever reads this from its beginning is told of an I/O error.
    let failing = world.folder.path().join(format!("{:020}-{:016x}.log", 7, 7));
    symlink("/proc/self/mem", &failing).unwrap();
    assert_eq!(world.start().damage, Damage { records: 1, bytes: 0 });
    assert!(failing.is_symlink());
}

#[test]
fn notes_that_cannot_be_read_cost_repetitions_and_no_event() {
    let mut world = World::new();
    world.append(&[10, 20]);
    let waiting = world.waiting.clone();
    world.remove(0);
    let notes = notes::path(&world.files()[0]);
    fs::remove_file(&notes).unwrap();
    fs::create_dir(&notes).unwrap();
    world.waiting = waiting;
    assert_eq!(world.start().damage, Damage::default());
}

#[test]
fn a_drained_spool_has_no_files() {
    let mut world = World::new();
    for _ in 0..20 {
        world.append(&[900; 30]);
        (0..30).for_each(|_| world.remove(0));
        assert_eq!((world.store().bytes(), world.files().len()), (0, 0));
    }
}

#[test]
fn what_is_too_much_or_waits_too_long_is_refused_and_nothing_else_is() {
    let mut world = World::new();
    let store = world.store();
    assert_eq!(store.stage(&vec![0; 65_536 - HEAD + 1], 0, 1), Err(Full::Bytes));
    assert_eq!(store.stage(b"first", 0, 1), Ok(()));
    store.commit().unwrap();
    assert_eq!(store.stage(b"in time", 0, 3_600_001), Ok(()));
    assert_eq!(store.stage(b"too late", 0, 3_600_002), Err(Full::Age));
    store.commit().unwrap();
    let oldest = store.waiting_from(0).next().unwrap().0;
    store.remove(oldest);
    assert_eq!(store.age_ms(3_600_002), 1);
    assert_eq!(store.stage(b"again", 0, 3_600_002), Ok(()));
}

#[test]
fn a_folder_has_one_owner_and_must_be_one() {
    let world = World::new();
    let again = |folder: &Path| Store::open(folder, BOUNDS, 7, 99, &mut |_| 0);
    assert!(matches!(again(world.folder.path()), Err(OpenError::InUse(_))));
    let file = tempfile::NamedTempFile::new().unwrap();
    let told = again(file.path()).unwrap_err().to_string();
    assert!(told.contains("spool.dir") && told.contains(file.path().to_str().unwrap()), "{told}");
}

/// A file that takes every byte and then cannot be synced, as a failing disk would: the null device.
fn on_a_failing_disk() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    symlink("/dev/null", folder.path().join(format!("{:020}-{:016x}.log", 1024, 7))).unwrap();
    // The name is that of the first file of a process that starts at this time, and an empty file is put away at the start.
    let (store, recovered) = Store::open(folder.path(), BOUNDS, 7, 1, &mut |_| 0).unwrap();
    assert_eq!(recovered, Recovered { records: 0, damage: Damage::default() });
    symlink("/dev/null", folder.path().join(format!("{:020}-{:016x}.log", 1024, 7))).unwrap();
    (folder, store)
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged_and_the_thread_ends() {
    let (_folder, store) = on_a_failing_disk();
    let (commands, queue) = mpsc::channel(9);
    let (answer, mut answered) = oneshot::channel::<Result<(), NotSpooled>>();
    let append = Append { body: b"one".to_vec(), user: 1, now_ms: 1, answer };
    commands.try_send(Command::Append(append)).unwrap();
    let writer = Writer {
        store,
        gate: Arc::new(Gate::new()),
        metrics: SpoolMetrics::default(),
        news: Arc::new(Notify::new()),
        window: 9,
        clock: Clock::system(),
    };
    let broken = writer.run(queue).expect_err("the disk failed");
    assert!(matches!(broken, WriteError::Broken { what: "fdatasync", .. }), "{broken}");
    assert!(answered.try_recv().is_err(), "nobody was told that it is safe");
}
