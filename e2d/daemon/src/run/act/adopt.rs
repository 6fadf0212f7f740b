//! An etcd that an earlier run of e2d started, and what it would be given now.
//!
//! It runs on, whatever differs: nobody knows yet who else is there, and of several nodes that are given a new
//! configuration at once all would stop theirs (S4). What differs is said, until it ends.

use super::Hands;
use crate::run::describe::{self, chain};
use e2d_etcd::child::Child;
use e2d_etcd::launch::Start;

impl Hands {
    /// Says how an adopted etcd differs from one that would be started now.
    pub(super) fn compare(&self, child: &Child) {
        let Some(differs) = self.differences(child) else { return };
        tracing::warn!(differs, "the adopted etcd runs on with a former setting");
        let advice = format!(
            "etcd runs on with a former setting ({differs}): stop e2d in order and start it again for etcd to take up the \
             present one, on one node at a time"
        );
        self.setting.set_former(Some(advice));
    }

    fn differences(&self, child: &Child) -> Option<String> {
        let (runs, installed) = (child.record().version, self.setting.programs.known().version);
        let label = &self.setting.me.label;
        // The label may be another, the node behind it is not.
        let name = child.flag("name")?;
        let name = name.rsplit_once('-').map_or_else(|| label.clone(), |(_, node)| format!("{label}-{node}"));
        let wanted = describe::configured(&self.setting, name, child.gate(), Start::Resume);
        let wanted = wanted.map_err(|error| chain(&error));
        let flags = match wanted.and_then(|launch| launch.args(runs).map_err(|error| chain(&error))) {
            Ok(wanted) => child.differences(&wanted),
            Err(error) => return Some(format!("with the present one etcd {runs} would not start: {error}")),
        };
        let flags = (!flags.is_empty()).then(|| format!("other flags: --{}", flags.join(", --")));
        let version = (runs != installed).then(|| format!("it is {runs} and {installed} is installed"));
        let all: Vec<String> = version.into_iter().chain(flags).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}
