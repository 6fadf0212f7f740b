//! Who may depend on whom.
//!
//! `core` ← its siblings ← the binaries ← the tests. Siblings do not see each other, but for `aws`, which
//! implements `backup`'s store port. Nothing that ships depends on a test package; its own tests may use
//! the test kit. `xtask` stands apart: it sees nobody, and nobody sees it.

use super::Finding;
use crate::workspace::{Package, Workspace};
use camino::Utf8Path;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layer {
    Core,
    Sibling,
    Binary,
    Test,
    Xtask,
}

/// The layer of the package in `folder`.
fn layer(folder: &str) -> Option<Layer> {
    Some(match folder {
        "e2d/core" => Layer::Core,
        "e2d/gossip" | "e2d/etcd" | "e2d/backup" | "e2d/aws" | "pki" => Layer::Sibling,
        "e2d/daemon" | "control-plane" | "addons" => Layer::Binary,
        "xtask" => Layer::Xtask,
        _ if folder == "e2d/fuzz" || folder.starts_with("tests/") => Layer::Test,
        _ => return None,
    })
}

/// Whether the package in `from` may depend on the one in `to`, and if not, why.
fn judge(from: &str, to: &str, dev: bool) -> Result<(), String> {
    let known = |folder| layer(folder).ok_or_else(|| format!("{folder} has no layer: give it one in xtask"));
    let allowed = match (known(from)?, known(to)?) {
        (_, Layer::Xtask) | (Layer::Xtask, _) => false,
        (Layer::Test, _) | (Layer::Sibling | Layer::Binary, Layer::Core) | (Layer::Binary, Layer::Sibling) => true,
        (Layer::Sibling, Layer::Sibling) => (from, to) == ("e2d/aws", "e2d/backup"),
        (_, Layer::Test) => dev && to == "tests/testkit",
        (Layer::Core, _) | (_, Layer::Binary) => false,
    };
    if allowed { Ok(()) } else { Err(format!("{from} must not depend on {to}")) }
}

pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    let folder = |path: &Utf8Path| workspace.relative(path).to_string();
    let mut findings = Vec::new();
    for package in &workspace.packages {
        let from = folder(package.folder());
        if layer(&from).is_none() {
            findings.push(Finding::new(&from, "this package has no layer: give it one in xtask"));
        }
        findings.extend(arrows(package).filter_map(|(to, dev)| {
            let manifest = folder(&package.manifest_path);
            judge(&from, &folder(to), dev).err().map(|why| Finding::new(manifest, why))
        }));
    }
    findings
}

/// The folders that a package depends on, and whether only its tests do.
fn arrows(package: &Package) -> impl Iterator<Item = (&Utf8Path, bool)> {
    let ours = package.dependencies.iter().filter(|dependency| dependency.name != package.name);
    ours.filter_map(|dependency| Some((dependency.path.as_deref()?, dependency.kind.as_deref() == Some("dev"))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    #[test]
    fn arrows_point_down() {
        let allowed = [
            ("e2d/gossip", "e2d/core"),
            ("e2d/aws", "e2d/backup"),
            ("e2d/daemon", "e2d/gossip"),
            ("control-plane", "pki"),
            ("tests/sim", "e2d/daemon"),
            ("tests/sim", "tests/testkit"),
        ];
        for (from, to) in allowed {
            assert_eq!(judge(from, to, false), Ok(()), "{from} on {to}");
        }
        let refused = [
            ("e2d/core", "pki"),
            ("e2d/gossip", "e2d/etcd"),
            ("e2d/backup", "e2d/aws"),
            ("pki", "e2d/daemon"),
            ("e2d/daemon", "control-plane"),
            ("e2d/daemon", "tests/testkit"),
            ("tests/sim", "xtask"),
            ("xtask", "e2d/core"),
            ("e2d/new", "e2d/core"),
        ];
        for (from, to) in refused {
            assert!(judge(from, to, false).is_err(), "{from} on {to}");
        }
    }

    #[test]
    fn tests_of_what_ships_may_use_the_test_kit_alone() {
        assert_eq!(judge("e2d/etcd", "tests/testkit", true), Ok(()));
        assert!(judge("e2d/etcd", "tests/sim", true).is_err());
        assert!(judge("e2d/etcd", "e2d/gossip", true).is_err());
    }

    #[test]
    fn a_wrong_line_in_a_manifest_is_found() {
        let package = |dependency: Dependency| Package {
            name: "e2d-core".into(),
            manifest_path: "/r/e2d/core/Cargo.toml".into(),
            dependencies: vec![dependency],
            targets: Vec::new(),
        };
        let dependency = |name: &str, kind: Option<&str>, path: Option<&str>| Dependency {
            name: name.into(),
            kind: kind.map(Into::into),
            path: path.map(Into::into),
        };
        let workspace = Workspace {
            root: "/r".into(),
            target: "/t".into(),
            cache: "/c".into(),
            packages: vec![
                package(dependency("e2d-pki", None, Some("/r/pki"))),
                package(dependency("serde", None, None)),
            ],
        };
        let found = check(&workspace);
        assert_eq!(found, [Finding::new("e2d/core/Cargo.toml", "e2d/core must not depend on pki")]);
    }
}
