//! With which flags an etcd runs, beside those that it would be started with.

use super::process;
use e2d_core::id::Digest;
use std::collections::BTreeMap;

/// What etcd reads only where there is no data yet.
const AT_BIRTH: &[&str] = &["initial-cluster", "initial-cluster-state", "initial-cluster-token"];

/// The arguments of a process as the kernel shows them, if they are those of this digest.
pub(super) fn of(pid: i32, digest: Digest) -> Option<Vec<String>> {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let line = String::from_utf8(line).ok()?;
    let args: Vec<String> = line.strip_suffix('\0')?.split('\0').skip(1).map(str::to_owned).collect();
    (process::digest(&args) == digest).then_some(args)
}

/// The names of the flags that one list has otherwise than the other, in alphabetical order, but for those that count
/// only at a member's birth.
pub(super) fn differences(running: &[String], wanted: &[String]) -> Vec<String> {
    let (running, wanted) = (by_name(running), by_name(wanted));
    let mut names: Vec<&str> = running.keys().chain(wanted.keys()).copied().collect();
    names.sort_unstable();
    names.dedup();
    let differs = |name: &&str| !AT_BIRTH.contains(name) && running.get(name) != wanted.get(name);
    names.into_iter().filter(differs).map(str::to_owned).collect()
}

fn by_name(args: &[String]) -> BTreeMap<&str, &str> {
    let flags = args.iter().filter_map(|arg| arg.strip_prefix("--")?.split_once('='));
    flags.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn what_differs_is_named() {
        let running = args("--name=a --initial-cluster=a=http://1 --quota-backend-bytes=1 --max-txn-ops=9");
        let wanted = args("--name=a --initial-cluster=a=http://2 --quota-backend-bytes=2 --pre-vote=true");
        assert_eq!(differences(&running, &wanted), ["max-txn-ops", "pre-vote", "quota-backend-bytes"]);
        assert!(differences(&running, &running).is_empty());
    }

    #[test]
    fn arguments_are_those_of_the_process_or_none() {
        let own: Vec<String> = std::env::args().skip(1).collect();
        let pid = std::process::id().cast_signed();
        assert_eq!(of(pid, process::digest(&own)), Some(own));
        assert_eq!(of(pid, process::digest(&args("--else"))), None);
    }
}
