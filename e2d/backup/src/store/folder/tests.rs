//! What the folder adds to the contract: missing folders, faults of the system, links, crashes.

use super::super::{Condition, Disposition, Key, Prefix, Store, StoreError};
use super::place::STATE_FOLDER;
use super::{Base, FolderStore};
use crate::contract;
use camino::{Utf8Path, Utf8PathBuf};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::sync::Arc;

struct Scene {
    _temp: tempfile::TempDir,
    root: Utf8PathBuf,
    store: FolderStore,
}

fn scene() -> Scene {
    let temp = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(temp.path()).unwrap().join("store");
    fs::create_dir(&root).unwrap();
    Scene { _temp: temp, store: FolderStore::new(root.clone(), Base::MustExist), root }
}

fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

/// What every reading and every writing call answers.
async fn errors(store: &FolderStore, name: &str) -> Vec<StoreError> {
    let key = key(name);
    let prefix = Prefix::new(format!("{name}/")).unwrap();
    let mut errors = vec![];
    errors.extend(store.get(&key, 9).await.err());
    errors.extend(store.list(&prefix, None, 9).await.err());
    errors.extend(store.get_stream(&key, super::Span::ALL).await.err());
    errors.extend(store.put(&key, b"x", Condition::Absent).await.err());
    errors.extend(store.put_stream(&key, &mut b"x".as_slice()).await.err());
    errors
}

fn all(errors: &[StoreError], count: usize, disposition: Disposition) -> bool {
    errors.len() == count && errors.iter().all(|error| error.disposition() == disposition)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_contract_holds_for_two_stores_on_one_folder() {
    let mut scenes = vec![];
    contract::check(|| {
        let scene = scene();
        let other = FolderStore::new(format!("{}/", scene.root), Base::MustExist);
        let handles: contract::Handles = vec![Arc::new(scene.store.clone()), Arc::new(other)];
        scenes.push(scene);
        async { handles }
    })
    .await
    .unwrap();
}

/// S2: a folder that an operator named and that is not there is not an empty store.
#[tokio::test]
async fn a_missing_folder_is_unreachable_and_not_made() {
    let scene = scene();
    let store = FolderStore::new(scene.root.join("share"), Base::MustExist);
    let errors = errors(&store, "lineage").await;
    assert!(all(&errors, 5, Disposition::Retry), "{errors:?}");
    assert!(errors.iter().all(|error| matches!(error, StoreError::Unreachable { .. })));
    assert!(!scene.root.join("share").exists());
    assert_eq!(errors[0].object(), format!("file://{}/share/lineage", scene.root));
}

#[tokio::test]
async fn the_default_folder_is_made_but_not_what_is_above_it() {
    let scene = scene();
    let store = FolderStore::new(scene.root.join("store"), Base::Create);
    assert_eq!(store.get(&key("lineage"), 9).await.unwrap(), None);
    assert_eq!(fs::metadata(scene.root.join("store")).unwrap().mode() & 0o777, 0o700);
    let store = FolderStore::new(scene.root.join("disk/store"), Base::Create);
    let errors = errors(&store, "lineage").await;
    assert!(all(&errors, 5, Disposition::Retry) && !scene.root.join("disk").exists(), "{errors:?}");
}

/// S2: an empty mount point is not an empty store.
#[tokio::test]
async fn a_folder_whose_mount_is_missing_is_unreachable() {
    let mut scene = scene();
    let table = scene.root.join("../fstab");
    fs::write(&table, format!("nas:/b {} nfs4 rw 0 0\n", scene.root)).unwrap();
    scene.store.location.mounts.wanted = table.into();
    let errors = errors(&scene.store, "lineage").await;
    assert!(all(&errors, 5, Disposition::Retry), "{errors:?}");
    assert!(format!("{:?}", errors[0]).contains("nothing is mounted there"), "{errors:?}");
    let table = scene.root.join("../mountinfo");
    fs::write(&table, format!("40 22 0:5 / {} rw - nfs4 nas:/b rw\n", scene.root)).unwrap();
    scene.store.location.mounts.present = table.into();
    assert_eq!(scene.store.get(&key("lineage"), 9).await.unwrap(), None);
}

#[tokio::test]
async fn a_file_where_a_folder_should_be_is_malformed() {
    let scene = scene();
    fs::write(scene.root.join("file"), "x").unwrap();
    let on_file = errors(&FolderStore::new(scene.root.join("file"), Base::Create), "lineage").await;
    assert!(all(&on_file, 5, Disposition::Wait), "{on_file:?}");
    let below_file = errors(&scene.store, "file/lineage").await;
    assert!(all(&below_file, 5, Disposition::Wait), "{below_file:?}");
    fs::create_dir(scene.root.join("lineage")).unwrap();
    let mode = rustix::fs::Mode::RUSR;
    rustix::fs::mknodat(rustix::fs::CWD, scene.root.join("pipe").as_str(), rustix::fs::FileType::Fifo, mode, 0)
        .unwrap();
    // Opening a pipe must not wait for somebody to write into it.
    for name in ["lineage", "pipe"] {
        let error = scene.store.get(&key(name), 9).await.unwrap_err();
        assert!(matches!(error, StoreError::Malformed { .. }), "{name}: {error:?}");
    }
}

/// S22: whatever lies in the folder, nothing outside it is read or written.
#[tokio::test]
async fn links_are_never_followed() {
    let scene = scene();
    let outside = scene.root.join("../outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "secret").unwrap();
    symlink(outside.join("secret"), scene.root.join("lineage")).unwrap();
    symlink(&outside, scene.root.join("archives")).unwrap();
    for name in ["lineage", "archives/secret", "archives/new"] {
        let error = scene.store.get(&key(name), 9).await.unwrap_err();
        assert!(matches!(error, StoreError::Malformed { .. }), "{name}: {error:?}");
    }
    let error = scene.store.put(&key("archives/new"), b"x", Condition::Absent).await.unwrap_err();
    assert!(matches!(error, StoreError::Malformed { .. }), "{error:?}");
    assert!(scene.store.put(&key("lineage"), b"x", Condition::Absent).await.is_err());
    assert!(scene.store.delete(&key("archives/secret")).await.is_err());
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    assert_eq!(fs::read(outside.join("secret")).unwrap(), b"secret");
    // S2: what lies behind such a link is not known, so the list is no list.
    for prefix in ["", "archives/", "archives/1/"] {
        let error = scene.store.list(&Prefix::new(prefix).unwrap(), None, 9).await.unwrap_err();
        assert!(matches!(error, StoreError::Malformed { .. }), "{prefix}: {error:?}");
    }
    // The old program's pointer is a link to a file: it is something, and it is listed.
    fs::remove_file(scene.root.join("archives")).unwrap();
    let page = scene.store.list(&Prefix::default(), None, 9).await.unwrap();
    assert_eq!(page.entries.len(), 1);
}

#[test]
fn the_systems_errors_mean_what_they_say() {
    use super::place::Trouble;
    use rustix::io::Errno;
    for (errno, disposition) in [
        (Errno::ACCESS, Disposition::Wait),
        (Errno::ROFS, Disposition::Wait),
        (Errno::NOSPC, Disposition::Wait),
        (Errno::DQUOT, Disposition::Wait),
        (Errno::NOTDIR, Disposition::Wait),
        (Errno::IO, Disposition::Retry),
        (Errno::STALE, Disposition::Retry),
        (Errno::HOSTDOWN, Disposition::Retry),
        (Errno::MFILE, Disposition::Retry),
    ] {
        let error = Trouble::from(errno).about("x".into());
        assert_eq!(error.disposition(), disposition, "{error:?}");
        // Met while a name was being given, what may pass may also have been done.
        let changing = Trouble::while_changing(errno).about("x".into());
        let expected = if disposition == Disposition::Retry { Disposition::LookAgain } else { disposition };
        assert_eq!(changing.disposition(), expected, "{changing:?}");
    }
    let full = Trouble::from(Errno::NOSPC).about("x".into());
    assert!(matches!(full, StoreError::Full { .. }));
    assert!(matches!(Trouble::from(Errno::ROFS).about("x".into()), StoreError::Denied { .. }));
}

/// S19.
#[tokio::test]
async fn nobody_else_can_read_what_is_stored() {
    let scene = scene();
    scene.store.put(&key("archives/1/m"), b"x", Condition::Absent).await.unwrap();
    scene.store.put_stream(&key("archives/1/d"), &mut b"x".as_slice()).await.unwrap();
    for (name, mode) in [("archives", 0o700), ("archives/1", 0o700), ("archives/1/m", 0o600), ("archives/1/d", 0o600)] {
        assert_eq!(fs::metadata(scene.root.join(name)).unwrap().mode() & 0o777, mode, "{name}");
    }
    let state = fs::metadata(scene.root.join(STATE_FOLDER)).unwrap();
    assert_eq!(state.mode() & 0o777, 0o700);
}

#[tokio::test]
async fn what_a_dead_writer_left_is_invisible_and_swept() {
    let scene = scene();
    scene.store.put(&key("lineage"), b"x", Condition::Absent).await.unwrap();
    let left = scene.root.join(STATE_FOLDER).join("00000000000000000000000000000001.part");
    let live = scene.root.join(STATE_FOLDER).join("00000000000000000000000000000002.part");
    fs::write(&left, "half an archive").unwrap();
    let writer = fs::File::create(&live).unwrap();
    rustix::fs::flock(&writer, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let names = |page: super::Page| page.entries.into_iter().map(|entry| entry.key.to_string()).collect::<Vec<_>>();
    assert_eq!(names(scene.store.list(&Prefix::default(), None, 9).await.unwrap()), ["lineage"]);
    scene.store.put_stream(&key("archives/1/d"), &mut b"x".as_slice()).await.unwrap();
    assert!(!left.exists(), "a leftover stays");
    assert!(live.exists(), "the file of a living writer is gone");
    assert_eq!(names(scene.store.list(&Prefix::default(), None, 9).await.unwrap()), ["archives/1/d", "lineage"]);
}

/// Who compares and who deletes exclude each other; who only creates needs nobody's leave.
#[tokio::test]
async fn nothing_is_replaced_or_deleted_under_somebody_elses_lock() {
    let mut scene = scene();
    let version = scene.store.put(&key("lineage"), b"one", Condition::Absent).await.unwrap();
    scene.store.location.patience = std::time::Duration::ZERO;
    let held = super::lock::acquire(&scene.store.location.open_state().unwrap(), super::lock::PATIENCE).unwrap();
    let replaced = scene.store.put(&key("lineage"), b"two", Condition::Matches(version.clone())).await;
    let deleted = scene.store.delete(&key("lineage")).await;
    assert!(matches!(replaced, Err(StoreError::Unreachable { .. })), "{replaced:?}");
    assert!(matches!(deleted, Err(StoreError::Unreachable { .. })), "{deleted:?}");
    scene.store.put(&key("other"), b"x", Condition::Absent).await.unwrap();
    assert_eq!(scene.store.get(&key("lineage"), 9).await.unwrap().unwrap().version, version);
    drop(held);
    scene.store.put(&key("lineage"), b"two", Condition::Matches(version)).await.unwrap();
    scene.store.delete(&key("lineage")).await.unwrap();
}

/// A folder that cannot be read is never left out of a list. (Root reads everything: then there is
/// nothing to see here.)
#[tokio::test]
async fn a_forbidden_folder_fails_the_list() {
    let scene = scene();
    scene.store.put(&key("archives/1/m"), b"x", Condition::Absent).await.unwrap();
    let folder = scene.root.join("archives/1");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o000)).unwrap();
    let forbidden = fs::read_dir(&folder).is_err();
    let listed = scene.store.list(&Prefix::new("archives/").unwrap(), None, 9).await;
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    match listed {
        Err(StoreError::Denied { .. }) => assert!(forbidden),
        other => assert!(!forbidden, "{other:?}"),
    }
}

/// A verb that somebody runs as root shuts out nobody: all that it makes belongs to whom the folder belongs to.
/// (Nobody but root can make things for others: then there is nothing to see here.)
#[tokio::test]
async fn what_root_makes_belongs_to_the_owner_of_the_folder() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let scene = scene();
    let owner = |path: &Utf8Path| fs::metadata(path).map(|found| (found.uid(), found.gid())).unwrap();
    std::os::unix::fs::chown(&scene.root, Some(4242), Some(4343)).unwrap();
    let created = scene.store.put(&key("archives/1/m.check"), b"one", Condition::Absent).await.unwrap();
    scene.store.put(&key("archives/1/m.check"), b"two", Condition::Matches(created)).await.unwrap();
    scene.store.put_stream(&key("archives/1/d"), &mut b"x".as_slice()).await.unwrap();
    let state = Utf8Path::new(STATE_FOLDER);
    for made in
        ["archives", "archives/1", "archives/1/m.check", "archives/1/d", STATE_FOLDER, state.join("lock").as_str()]
    {
        assert_eq!(owner(&scene.root.join(made)), (4242, 4343), "{made}");
    }
    let below = FolderStore::new(scene.root.join("store"), Base::Create);
    below.put(&key("lineage"), b"x", Condition::Absent).await.unwrap();
    assert_eq!(owner(&scene.root.join("store")), (4242, 4343), "a store that is made inside a folder of somebody's");
    assert_eq!(owner(&scene.root.join("store/lineage")), (4242, 4343));
}
