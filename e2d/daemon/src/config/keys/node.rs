//! Keys of this machine.

use super::table;
use crate::config::key::{Decl, Key, Places, Section};
use crate::config::value::{self, Label};
use camino::Utf8PathBuf;

table! {
    /// Where the data lies.
    DATA_DIR: Utf8PathBuf = Decl::new(Section::Node, "data-dir", "DIR", "Folder of etcd's data and of e2d's own")
        .default("data")
        .old_default("data")
        .detail(
            "etcd's `member` folder lies directly in it; everything of e2d's is in its folder `e2d`: identity, decision \
             log, quarantine, socket. A relative folder lies under the working folder.",
        )
        .allowed("a folder; it is made if it does not exist", "/var/lib/etcd/data")
        .read_by(value::path);

    /// What tells an empty disk from one that is not mounted.
    DATA_DISK: Utf8PathBuf = Decl::new(Section::Node, "data-disk", "FILE", "The disk that must be there before anything starts")
        .detail(
            "A device that the data folder must lie on, or a file that is there only while the disk is mounted. While it is \
             not there, `run` waits and says so: an empty mount point is no empty disk.",
        )
        .allowed("a device, or a file on the disk", "/var/lib/etcd/.mounted")
        .read_by(value::path);

    /// A label for people.
    NAME: Label = Decl::new(Section::Node, "name", "NAME", "What people call this node")
        .found("the host's name")
        .old_default("the member's name in the data folder, else 16 random hexadecimal digits")
        .detail(
            "A label: it is part of etcd's member name, and identifies nothing. A node is its disk, so two nodes may have \
             one name and a node may change its own.",
        )
        .allowed("1 to 128 letters, digits, dots, dashes and underscores", "controller-1")
        .read_by(value::label);

    /// The file that holds keys.
    CONFIG: Utf8PathBuf = Decl::new(Section::Node, "config", "FILE", "Configuration file, in TOML")
        .places(Places::NotFile)
        .detail("Its keys are the flags without their dashes. A key that does not exist is an error.")
        .allowed("an existing file", "/etc/e2d/e2d.toml")
        .read_by(value::path);
}
