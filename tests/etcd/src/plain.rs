//! Plain etcd, as somebody ran it before there was e2d.

use crate::cluster::Cluster;
use anyhow::Result;
use e2d_testkit::Process;

impl Cluster {
    /// Starts plain etcd on every machine, as one static cluster. The processes log beside e2d's.
    pub fn start_plain(&self) -> Result<Vec<Process>> {
        let url = |n: u8, port: u16| format!("http://{}:{port}", self.network.node(n).address());
        let members: Vec<String> = self.all().map(|n| format!("m{n}={}", url(n, 2380))).collect();
        let mut running = Vec::new();
        for n in self.all() {
            let machine = self.machine(n);
            let mut etcd = self.network.node(n).command(machine.etcd.join("etcd"));
            etcd.args(["--name", &format!("m{n}"), "--data-dir", machine.data_dir.as_str()])
                .args(["--listen-peer-urls", &url(n, 2380), "--initial-advertise-peer-urls", &url(n, 2380)])
                .args(["--listen-client-urls", &url(n, 2379), "--advertise-client-urls", &url(n, 2379)])
                .args(["--initial-cluster", &members.join(","), "--initial-cluster-token", "plain"]);
            running.push(Process::spawn(&format!("plain{n}"), &mut etcd, &self.folder.join(format!("plain{n}.log")))?);
        }
        Ok(running)
    }
}
