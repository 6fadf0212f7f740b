//! `e2d env`, while no daemon runs.

use crate::scratch;
use e2d_tests_cli::Run;
use std::fs;

const PLAIN: &str = "export ETCDCTL_API=3\nexport ETCDCTL_ENDPOINTS=http://127.0.0.1:2379\n\
    unset ETCDCTL_CACERT ETCDCTL_CERT ETCDCTL_KEY\n";

#[test]
fn with_nothing_said_it_is_the_node_on_this_machine() {
    let folder = scratch();
    let ended = Run::new(folder.path(), ["env"]).end();
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (0, PLAIN, ""));
    let ended = Run::new(folder.path(), ["env", "--output", "json"]).end();
    let json: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(json, serde_json::json!({ "ETCDCTL_API": "3", "ETCDCTL_ENDPOINTS": "http://127.0.0.1:2379" }));
}

/// The configuration names the certificates, the client's own if there are some, by their full paths.
#[test]
fn certificates_come_from_the_configuration() {
    let folder = scratch();
    fs::write(
        folder.path().join("e2d.toml"),
        "host = '10.0.0.7'\nca-cert = 'ca.crt'\nserver-cert = 'server.crt'\nserver-key = 'server.key'\n",
    )
    .unwrap();
    let variable = |name: &str| {
        let run = Run::new(folder.path(), ["env", "--output", "json"]).variable("E2D_CONFIG", "e2d.toml");
        let ended = run.variable("E2D_CLIENT_ADDR", ":4001").end();
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{ended:#?}");
        let json: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
        json[name].as_str().unwrap().replace(folder.path().to_str().unwrap(), "[FOLDER]")
    };
    assert_eq!(variable("ETCDCTL_ENDPOINTS"), "https://10.0.0.7:4001");
    assert_eq!(variable("ETCDCTL_CACERT"), "[FOLDER]/ca.crt");
    assert_eq!(variable("ETCDCTL_CERT"), "[FOLDER]/server.crt");
    assert_eq!(variable("ETCDCTL_KEY"), "[FOLDER]/server.key");
    for file in ["client.crt", "client.key"] {
        fs::write(folder.path().join(file), "").unwrap();
    }
    assert_eq!(variable("ETCDCTL_CERT"), "[FOLDER]/client.crt");
    assert_eq!(variable("ETCDCTL_KEY"), "[FOLDER]/client.key");
}

/// Half an answer would be taken for a whole one by the shell that evaluates it.
#[test]
fn what_is_missing_for_certificates_is_said_and_nothing_is_printed() {
    let folder = scratch();
    let ended = Run::new(folder.path(), ["env"]).variable("E2D_CA_CERT", "ca.crt").end();
    assert_eq!((ended.code, ended.stdout.as_str()), (78, ""));
    assert!(ended.stderr.contains("server-cert") && ended.stderr.contains("hint: "), "{ended:#?}");
    fs::create_dir_all(folder.path().join("data/e2d")).unwrap();
    fs::write(folder.path().join("data/e2d/seen"), "{\"format\":9}").unwrap();
    let ended = Run::new(folder.path(), ["env"]).end();
    assert_eq!((ended.code, ended.stdout.as_str()), (78, ""));
    assert!(ended.stderr.contains("data/e2d/seen cannot be used"), "{ended:#?}");
}
