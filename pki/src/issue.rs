//! Issues the leaves that are wanted: looks at what is there, plans, and does it.
//!
//! [`observe`] turns a folder into plain data, [`plan`] decides what is missing, wrong or due without
//! touching anything, and [`apply`] writes one pair. [`run`] does all three under the folder's lock.
//! The clock is an argument throughout; only keys and serial numbers are random, and they are made
//! last. Files that are no wanted leaf's are never touched, and what cannot be looked at is not
//! replaced.

mod apply;
mod observe;
mod plan;

pub use apply::{ApplyError, apply};
pub use observe::{Found, FoundPair, observe};
pub use plan::{Action, Plan, Reason, Verdict, plan};

use crate::authority::Authority;
use crate::durable::{self, Owner};
use crate::leaf::Leaf;
use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use std::io;

/// Why a run ended early. What it had done before stays done.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The folder could not be made or locked. Nothing was written.
    #[error("cannot use the folder {path}")]
    Folder {
        /// The folder.
        path: Utf8PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// One action failed.
    #[error("cannot carry out: {action}")]
    Apply {
        /// What was to be done.
        action: Box<Action>,
        /// Why it was not.
        source: ApplyError,
    },
}

/// What a run did.
#[derive(Debug)]
pub struct Outcome {
    /// The actions, in the order in which they were done.
    pub done: Vec<Action>,
    /// What is left to wait for afterwards: its `actions` are empty.
    pub plan: Plan,
}

/// Brings `folder` to hold the wanted leaves: makes it if it is missing, and issues what the
/// plan says. Doing it again at once does nothing.
pub fn run(
    folder: &Utf8Path,
    wanted: &[Leaf],
    authority: &Authority,
    owner: Option<Owner>,
    now: Timestamp,
) -> Result<Outcome, IssueError> {
    let failed = |source| IssueError::Folder { path: folder.into(), source };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let _lock = durable::lock(folder).map_err(failed)?;
    let mut done = Vec::new();
    // An interrupted pair is first finished and then judged, so nothing takes a third look; a plan
    // that still wants something after that is returned as it is.
    for _ in 0..3 {
        let seen = observe(folder, wanted, authority.certificate());
        let next = plan(wanted, &seen, authority.certificate(), now);
        if next.actions.is_empty() {
            return Ok(Outcome { done, plan: next });
        }
        for action in next.actions {
            apply(folder, &action, authority, owner)
                .map_err(|source| IssueError::Apply { action: Box::new(action.clone()), source })?;
            done.push(action);
        }
    }
    let seen = observe(folder, wanted, authority.certificate());
    Ok(Outcome { done, plan: plan(wanted, &seen, authority.certificate(), now) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Identity, IdentityFiles, Warning};
    use crate::key::{KeyType, PrivateKey};
    use crate::leaf;
    use crate::pair::{self, Paths};
    use crate::role::Role;
    use crate::{AuthorityFiles, Existing, pem};
    use jiff::SignedDuration;
    use std::collections::BTreeSet;

    struct Crashed {
        _guard: tempfile::TempDir,
        folder: Utf8PathBuf,
        authority: Authority,
        wanted: Vec<Leaf>,
        /// When the leaf was due and its replacement began.
        then: Timestamp,
        new_serial: String,
    }

    /// A folder whose leaf was being replaced, for the first time or once more, by the real steps, of
    /// which only the first few were done.
    fn crash_after(steps_done: usize, has_former: bool) -> Crashed {
        let guard = tempfile::tempdir().unwrap();
        let folder = Utf8PathBuf::try_from(guard.path().to_path_buf()).unwrap();
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let then = now + SignedDuration::from_hours(300 * 24);
        let files = AuthorityFiles { certificate: folder.join("ca.crt"), key: folder.join("ca.key") };
        let name = Authority::default_name();
        let (authority, _) = Authority::init(&files, &name, KeyType::EcdsaP256, Existing::Keep, None, now).unwrap();
        let wanted = leaf::etcd(&BTreeSet::new(), KeyType::EcdsaP256, Role::None)[..1].to_vec();
        if has_former {
            run(&folder, &wanted, &authority, None, now).unwrap();
        }
        let Action::Issue { leaf, validity, .. } =
            plan(&wanted, &observe(&folder, &wanted, authority.certificate()), authority.certificate(), then)
                .actions
                .remove(0)
        else {
            panic!("nothing to issue")
        };
        let key = PrivateKey::generate(leaf.key_type).unwrap();
        let certificate = authority.issue(&leaf, &key, validity).unwrap();
        let (key, text) = (key.to_pem().unwrap(), pem::encode("CERTIFICATE", certificate.der()));
        let paths = Paths::of_stem(&folder, "server");
        for step in &pair::steps(&paths, key.as_bytes(), text.as_bytes())[..steps_done] {
            step.carry_out(None).unwrap();
        }
        // What a write leaves that was cut off.
        for name in [".server.crt.next.tmp", ".server.key.next.tmp"] {
            std::fs::write(folder.join(name), "-----BEGIN torn").unwrap();
        }
        Crashed { _guard: guard, folder, authority, wanted, then, new_serial: certificate.serial }
    }

    fn load(crashed: &Crashed) -> Result<Identity, crate::IdentityError> {
        let at = |name| crashed.folder.join(name);
        let files =
            IdentityFiles { certificate: at("server.crt"), key: at("server.key"), authorities: vec![at("ca.crt")] };
        Identity::load(&files, crashed.then)
    }

    /// Wherever a crash falls: one whole pair can be loaded, and the next run ends with one whole pair
    /// under the right names, and does nothing more.
    #[test]
    fn a_crash_at_any_moment_leaves_one_whole_pair() {
        for steps_done in 0..=4 {
            let crashed = crash_after(steps_done, true);
            let identity = load(&crashed).unwrap_or_else(|error| panic!("after {steps_done} steps: {error}"));
            assert_eq!(identity.certificate().serial == crashed.new_serial, steps_done >= 3, "{steps_done}");
            let warned = identity.warnings().iter().any(|warning| matches!(warning, Warning::Interrupted { .. }));
            assert_eq!(warned, steps_done == 3, "{steps_done}");

            let outcome = run(&crashed.folder, &crashed.wanted, &crashed.authority, None, crashed.then).unwrap();
            match (steps_done, outcome.done.as_slice()) {
                (0..=2, [Action::Issue { because: Reason::Due(_), .. }]) | (4, []) => {}
                // The authority need not sign again.
                (3, [Action::Finish { stem }]) => assert_eq!(stem, "server"),
                (_, done) => panic!("after {steps_done} steps it did {done:?}"),
            }
            let identity = load(&crashed).unwrap();
            assert_eq!(identity.warnings(), [], "{steps_done}");
            let again = run(&crashed.folder, &crashed.wanted, &crashed.authority, None, crashed.then).unwrap();
            assert_eq!(again.done, [], "{steps_done}");
        }
    }

    #[test]
    fn a_crash_during_the_first_issue_is_mended_too() {
        for steps_done in 0..=4 {
            let crashed = crash_after(steps_done, false);
            assert_eq!(load(&crashed).is_ok(), steps_done >= 3, "{steps_done}");
            run(&crashed.folder, &crashed.wanted, &crashed.authority, None, crashed.then).unwrap();
            assert_eq!(load(&crashed).unwrap().certificate().serial == crashed.new_serial, steps_done >= 3);
        }
    }
}
