//! What holds for the whole of configuration.

use super::*;
use crate::config::key::{Default, Effect, Places, Section};
use e2d_pki::SecretSource;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::net::IpAddr;

fn given(flags: &[(&str, &str)], variables: &[(&str, &str)], file: &str) -> Given {
    let flags = flags.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(value)));
    let variables = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    Given::new(flags, variables).with_file(ConfigFile::new("e2d.toml", file))
}

fn flags(flags: &[(&str, &str)]) -> Given {
    given(flags, &[], "")
}

fn no_route() -> Result<IpAddr, RouteError> {
    panic!("the default route was asked for")
}

fn resolve(given: &Given) -> Result<Config, Vec<String>> {
    let told = |refused: Refused| refused.problems.iter().map(ToString::to_string).collect::<Vec<_>>();
    parse(given).map_err(told)?.settle(no_route).map_err(told)
}

const KEYS: [(&str, &str); 6] = [
    ("ca-cert", "ca.crt"),
    ("ca-key", "ca.key"),
    ("peer-cert", "peer.crt"),
    ("peer-key", "peer.key"),
    ("server-cert", "server.crt"),
    ("server-key", "server.key"),
];

fn with_keys(more: &[(&str, &str)]) -> Given {
    flags(&[&KEYS[..], more].concat())
}

/// With nothing said, one node serves on loopback and keeps backups beside its data.
#[test]
fn nothing_said_is_one_node_on_loopback() {
    let config = resolve(&flags(&[])).unwrap();
    assert_eq!(config.site.data_dir, "data");
    assert_eq!(config.site.store, StoreUrl::Folder("data/e2d/store".into()));
    assert_eq!(config.site.socket(), "data/e2d/e2d.sock");
    assert_eq!(config.cluster, Cluster::new(Size::One, vec![]).unwrap());
    let network = &config.network;
    let addresses = [network.client(), network.peer(), network.gossip(), network.admin(), network.metrics()];
    assert_eq!(
        addresses.map(|address| address.to_string()),
        ["127.0.0.1:2379", "127.0.0.1:2380", "127.0.0.1:7980", "127.0.0.1:7981", "127.0.0.1:7982"]
    );
    assert_eq!(network.client_listen(), [network.client()]);
    assert_eq!(network.security(), &Security::Loopback);
    assert_eq!(config.snapshots.interval, Duration::from_hours(1));
    assert_eq!(config.health.replace_after, Duration::from_mins(5));
    assert_eq!(config.etcd.quota_bytes, 8 << 30);
    assert_eq!(config.log, Log { format: None, level: LogLevel::Info });
    assert_eq!(config.label, None);
}

#[test]
fn flag_then_variable_then_file_then_default() {
    let name = |flag: Option<&str>, variable: Option<&str>, file: Option<&str>| {
        let flags: Vec<_> = flag.map(|value| ("name", value)).into_iter().collect();
        let variables: Vec<_> = variable.map(|value| ("E2D_NAME", value)).into_iter().collect();
        let file = file.map(|value| format!("name = {value:?}")).unwrap_or_default();
        resolve(&given(&flags, &variables, &file)).unwrap().label.map(|label| label.to_string())
    };
    assert_eq!(name(Some("a"), Some("b"), Some("c")).as_deref(), Some("a"));
    assert_eq!(name(None, Some("b"), Some("c")).as_deref(), Some("b"));
    assert_eq!(name(None, None, Some("c")).as_deref(), Some("c"));
    assert_eq!(name(None, None, None), None);
}

/// The old program stopped at the first empty variable and dropped all later ones.
#[test]
fn an_empty_variable_says_nothing() {
    let said = given(&[], &[("E2D_SNAPSHOT_INTERVAL", ""), ("E2D_SNAPSHOT_URL", ""), ("E2D_NAME", "b")], "name = 'c'");
    let config = resolve(&said).unwrap();
    assert_eq!(config.snapshots.interval, Duration::from_hours(1));
    assert_eq!(config.label.unwrap().as_str(), "b");
    assert!(resolve(&flags(&[("name", "")])).is_err());
}

#[test]
fn both_spellings_of_the_snapshot_url() {
    let store = |given: &Given| resolve(given).map(|config| config.site.store);
    let folder = |path: &str| Ok(StoreUrl::Folder(path.into()));
    for flag in ["snapshot-url", "snapshot-backup-url"] {
        assert_eq!(store(&flags(&[(flag, "file://b/")])), folder("b"));
    }
    for variable in ["E2D_SNAPSHOT_URL", "E2D_SNAPSHOT_BACKUP_URL"] {
        assert_eq!(store(&given(&[], &[(variable, "file://b/")], "")), folder("b"));
    }
    let same = [("snapshot-url", "file://b/"), ("snapshot-backup-url", "file://b/")];
    assert_eq!(store(&flags(&same)), folder("b"));
    assert_eq!(
        store(&flags(&[("snapshot-url", "file://b/"), ("snapshot-backup-url", "file://c/")])),
        Err(vec![
            "snapshot-url is said twice with different values: flag --snapshot-url and flag --snapshot-backup-url"
                .into()
        ])
    );
    let variables = [("E2D_SNAPSHOT_URL", "file://b/"), ("E2D_SNAPSHOT_BACKUP_URL", "file://c/")];
    assert!(store(&given(&[], &variables, "")).is_err());
    // At another place it is precedence, not a conflict.
    assert_eq!(store(&given(&[("snapshot-backup-url", "file://d/")], &variables[..1], "")), folder("d"));
}

#[test]
fn several_nodes_need_to_find_each_other() {
    let three = ("required-cluster-size", "3");
    assert_eq!(
        resolve(&flags(&[three])).unwrap_err(),
        ["required-cluster-size = 3 (flag --required-cluster-size) needs the addresses of the other nodes"]
    );
    let config = resolve(&flags(&[three, ("bootstrap-addrs", "127.0.0.2, 127.0.0.3:70,"), ("bootstrap-addrs", "b.c")]));
    let config = config.unwrap();
    let seeds: Vec<_> = config.cluster.seeds().iter().map(ToString::to_string).collect();
    assert_eq!(seeds, ["127.0.0.2:7980", "127.0.0.3:70", "b.c:7980"]);
    assert_eq!(config.site.store, StoreUrl::None);
    assert!(resolve(&flags(&[three, ("bootstrap-addrs", ",")])).is_err());
}

/// S18.
#[test]
fn without_keys_nothing_beyond_loopback() {
    for service in ["client-addr", "peer-addr", "gossip-addr", "admin-addr", "metrics-addr"] {
        let said = [(service, "10.0.0.1:99")];
        assert_eq!(
            resolve(&flags(&said)).unwrap_err(),
            [format!(
                "{service} = 10.0.0.1:99 (flag --{service}) is reachable from other machines, and there are no keys"
            )]
        );
        let config = resolve(&flags(&[said[0], ("insecure", "true")])).unwrap();
        assert_eq!(config.network.security(), &Security::Insecure);
    }
    assert_eq!(
        resolve(&given(&[], &[("E2D_HOST", "10.0.0.1")], "")).unwrap_err(),
        ["host = 10.0.0.1 (variable E2D_HOST) is reachable from other machines, and there are no keys"]
    );
    for host in ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"] {
        assert!(resolve(&flags(&[("host", host)])).is_ok(), "{host}");
    }
}

#[test]
fn with_keys_the_default_route_names_the_host() {
    let address: IpAddr = "10.0.0.7".parse().unwrap();
    let config = parse(&with_keys(&[])).unwrap().settle(|| Ok(address)).unwrap();
    assert_eq!(config.network.client().to_string(), "10.0.0.7:2379");
    let listen: Vec<_> = config.network.client_listen().iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["10.0.0.7:2379", "127.0.0.1:2379"]);
    assert_eq!(config.network.metrics().to_string(), "127.0.0.1:7982");
    let refused = parse(&with_keys(&[])).unwrap().settle(|| Err(RouteError::Unreachable(address))).unwrap_err();
    assert!(refused.problems.iter().all(Problem::may_pass));
    // It is not even asked for when the host is said.
    assert_eq!(resolve(&with_keys(&[("host", "10.0.0.8")])).unwrap().network.host().to_string(), "10.0.0.8");
}

#[test]
fn metrics_beyond_loopback_take_tls() {
    let transport = |more: &[(&str, &str)]| {
        let said = [&[("host", "10.0.0.8")], more].concat();
        resolve(&with_keys(&said)).unwrap().network.metrics_transport()
    };
    assert_eq!(transport(&[]), MetricsTransport::Plain);
    assert_eq!(transport(&[("metrics-addr", "0.0.0.0:1")]), MetricsTransport::MutualTls);
    assert_eq!(transport(&[("metrics-addr", "0.0.0.0:1"), ("insecure", "true")]), MetricsTransport::Plain);
}

#[test]
fn keys_come_all_or_not_at_all() {
    for left_out in KEYS {
        let rest: Vec<_> = KEYS.into_iter().filter(|pair| *pair != left_out).collect();
        let problems = resolve(&flags(&rest)).unwrap_err();
        assert!(problems.len() == 1 && problems[0].contains("incomplete"), "{problems:?}");
        assert!(problems[0].split("without").nth(1).unwrap().contains(left_out.0), "{problems:?}");
        // Not even --insecure makes half a set of keys acceptable.
        assert!(resolve(&flags(&[&rest[..], &[("insecure", "true")]].concat())).is_err());
    }
    let gossip = |more: &[(&str, &str)]| {
        let config = resolve(&with_keys(&[&[("host", "::1")], more].concat()));
        config.map(|config| match config.network.security() {
            Security::Keys(keys) => keys.gossip.clone(),
            other => panic!("{other:?}"),
        })
    };
    let (ca, a, b) = ("ca.key", "a", "b");
    let source = |path: &str| match path {
        "ca.key" => SecretSource::AuthorityKey(path.into()),
        _ => SecretSource::KeyFile(path.into()),
    };
    let keys = |seal: &str, open: Option<&str>| Ok(GossipKeys { seal: source(seal), open: open.map(source) });
    assert_eq!(gossip(&[]), keys(ca, None));
    assert_eq!(gossip(&[("gossip-key-file", "a")]), keys(a, None));
    assert_eq!(gossip(&[("gossip-key-file", "a,b")]), keys(a, Some(b)));
    assert_eq!(gossip(&[("gossip-key-file", "ca.key,a")]), keys(ca, Some(a)));
    assert!(gossip(&[("gossip-key-file", "a,a")]).is_err());
    assert!(gossip(&[("gossip-key-file", "a,b,c")]).is_err());
}

#[test]
fn two_services_cannot_share_an_address() {
    assert_eq!(
        resolve(&flags(&[("peer-addr", ":2379")])).unwrap_err(),
        ["client-addr and peer-addr are both 127.0.0.1:2379"]
    );
    // etcd serves its clients on 127.0.0.1 too.
    let said = [("host", "10.0.0.8"), ("insecure", "true"), ("metrics-addr", "127.0.0.1:2379")];
    assert_eq!(resolve(&flags(&said)).unwrap_err(), ["client-addr and metrics-addr are both 127.0.0.1:2379"]);
}

#[test]
fn an_election_takes_five_heartbeats() {
    let resolve = |pairs: &[(&str, &str)]| resolve(&flags(pairs)).map(|config| config.etcd);
    assert!(resolve(&[("etcd-election-ms", "499")]).is_err());
    assert!(resolve(&[("etcd-heartbeat-ms", "201")]).is_err());
    let etcd = resolve(&[("etcd-heartbeat-ms", "10"), ("etcd-election-ms", "50")]).unwrap();
    assert_eq!((etcd.heartbeat, etcd.election), (Some(Duration::from_millis(10)), Some(Duration::from_millis(50))));
}

#[test]
fn flags_for_etcd_are_told_apart_by_where_they_are_said() {
    let extra = |given: &Given| resolve(given).map(|config| config.etcd.extra);
    let both = Extra::parse(["cors=a,b", "metrics=extensive"]).unwrap();
    assert_eq!(extra(&flags(&[("etcd-arg", "cors=a,b"), ("etcd-arg", "metrics=extensive")])), Ok(both.clone()));
    assert_eq!(extra(&given(&[], &[("E2D_ETCD_ARG", "cors=a,b  metrics=extensive")], "")), Ok(both.clone()));
    assert_eq!(extra(&given(&[], &[], "etcd-arg = ['cors=a,b', 'metrics=extensive']")), Ok(both));
    let twice = extra(&flags(&[("etcd-arg", "cors=a"), ("etcd-arg", "cors=b")]));
    assert_eq!(twice, Err(vec!["the values of etcd-arg contradict each other".to_owned()]));
}

#[test]
fn verbose_means_debug() {
    let level = |given: &Given| resolve(given).map(|config| config.log.level);
    assert_eq!(level(&flags(&[("verbose", "true")])), Ok(LogLevel::Debug));
    assert_eq!(level(&given(&[("verbose", "true")], &[("E2D_LOG_LEVEL", "warn")], "")), Ok(LogLevel::Debug));
    assert_eq!(level(&flags(&[("verbose", "true"), ("log-level", "debug")])), Ok(LogLevel::Debug));
    assert!(level(&flags(&[("verbose", "true"), ("log-level", "info")])).is_err());
}

#[test]
fn an_unknown_variable_is_a_warning() {
    let draft = parse(&given(&[], &[("E2D_SNAPSHOT_URLL", "x"), ("E2D_ZZZ", "x"), ("OTHER", "x")], "")).unwrap();
    let said: Vec<_> =
        draft.warnings().iter().map(|warning| format!("{}; {}", warning.message, warning.hint)).collect();
    assert_eq!(
        said,
        [
            "the variable \"E2D_SNAPSHOT_URLL\" is not known and has no effect; did you mean E2D_SNAPSHOT_URL?",
            "the variable \"E2D_ZZZ\" is not known and has no effect; unset it if it was meant for e2d",
        ]
    );
}

#[test]
fn everything_wrong_is_reported_at_once() {
    let said =
        given(&[("host", "here")], &[("E2D_NAME", "a b"), ("E2D_DO_ACCESS_TOKEN", "t")], "hosts = 1\nlog-level = 'no'");
    let problems = resolve(&said).unwrap_err();
    assert_eq!(problems.len(), 5, "{problems:#?}");
}

/// What a verb beside the daemon needs is found although the daemon's own configuration is elsewhere.
#[test]
fn a_site_needs_nothing_else() {
    let variables = [("E2D_DATA_DIR", "/d"), ("E2D_REQUIRED_CLUSTER_SIZE", "3"), ("E2D_HOST", "nonsense")];
    let found = site(&given(&[], &variables, "")).unwrap();
    assert_eq!((found.data_dir.as_str(), found.store), ("/d", StoreUrl::None));
    assert!(site(&given(&[], &[("E2D_SNAPSHOT_URL", "s3://b/")], "")).is_err());
}

#[test]
fn the_table_is_sound() {
    let mut spellings = BTreeSet::new();
    for key in keys::all() {
        let name = key.name;
        for flag in key.flags() {
            assert!(spellings.insert(flag.to_owned()), "{flag} is declared twice");
        }
        assert!(key.short.is_none_or(|short| spellings.insert(short.to_string())), "{name}: short flag twice");
        assert!(!key.help.is_empty() && !key.help.ends_with('.') && !key.allowed.is_empty(), "{name}");
        assert_eq!(key.is_switch(), key.value_name.is_empty(), "{name}");
        assert_eq!(key.section == Section::Refused, name.starts_with("aws-") || name.starts_with("do-"), "{name}");
        assert!(key.effect != Effect::Works || !key.example.is_empty(), "{name}");
    }
    let unsupported: BTreeSet<_> = keys::UNSUPPORTED.iter().map(|key| key.decl.name).collect();
    let refused: BTreeSet<_> = keys::all().filter(|key| key.effect != Effect::Works).map(|key| key.name).collect();
    assert_eq!(unsupported, refused);
}

/// Every flag and variable of the old program is still understood.
#[test]
fn the_old_program_s_names_are_all_there() {
    let old = "name data-dir host client-addr peer-addr gossip-addr ca-cert ca-key peer-cert peer-key server-cert server-key \
        bootstrap-addrs required-cluster-size health-check-interval health-check-timeout peer-discovery \
        snapshot-backup-url snapshot-url snapshot-compression snapshot-encryption snapshot-interval \
        snapshot-retention-time aws-access-key aws-secret-key aws-role-session-name do-access-token do-spaces-key \
        do-spaces-secret";
    let flags: BTreeSet<_> = keys::all().flat_map(key::Decl::flags).collect();
    let variables: BTreeSet<_> = keys::all().flat_map(key::Decl::variables).collect();
    for name in old.split_whitespace() {
        assert!(flags.contains(name), "{name}");
        assert!(variables.contains(&format!("E2D_{}", name.to_uppercase().replace('-', "_"))), "{name}");
        let key = keys::all().find(|key| key.flags().any(|flag| flag == name)).unwrap();
        assert!(key.old_default.is_some(), "{name}");
    }
    assert!(keys::all().any(|key| key.short == Some('n')) && keys::all().any(|key| key.short == Some('v')));
}

/// The boot configuration of the old machine image, as it stands, but for the S3 bucket and what expires in it.
#[test]
fn the_old_image_s_environment_still_works() {
    let variables = [
        ("E2D_NAME", "k8s-controllers-i-0123456789abcdef0"),
        ("E2D_REQUIRED_CLUSTER_SIZE", "3"),
        ("E2D_BOOTSTRAP_ADDRS", "10.0.0.1,10.0.1.1,10.0.2.1"),
        ("E2D_DATA_DIR", "/var/lib/etcd/data"),
        ("E2D_SERVER_CERT", "/etc/kubernetes/etcd/pki/server.crt"),
        ("E2D_SERVER_KEY", "/etc/kubernetes/etcd/pki/server.key"),
        ("E2D_PEER_CERT", "/etc/kubernetes/etcd/pki/server.crt"),
        ("E2D_PEER_KEY", "/etc/kubernetes/etcd/pki/server.key"),
        ("E2D_SNAPSHOT_BACKUP_URL", "file:///mnt/backups/cluster/"),
        ("E2D_SNAPSHOT_COMPRESSION", "true"),
        ("E2D_SNAPSHOT_ENCRYPTION", "false"),
        ("E2D_SNAPSHOT_INTERVAL", "30m"),
    ];
    let said = given(&[("ca-cert", "/ca.crt"), ("ca-key", "/ca.key"), ("host", "10.0.0.1")], &variables, "");
    let config = resolve(&said).unwrap();
    assert!(parse(&said).unwrap().warnings().is_empty());
    assert_eq!(config.snapshots.interval, Duration::from_mins(30));
    assert_eq!(config.site.store, StoreUrl::Folder("/mnt/backups/cluster".into()));
}

/// Every default and every example is what the key itself allows, in each place where it may be said.
#[test]
fn defaults_and_examples_are_allowed() {
    for key in keys::all().filter(|key| key.effect == Effect::Works && key.places == Places::All) {
        let mut texts = vec![key.example];
        if let Default::Text(text) = key.default {
            texts.push(text);
        }
        for text in texts {
            // What these keys need besides themselves.
            let companions: &[(&str, &str)] = match key.section {
                Section::Security if key.name != "insecure" => &KEYS,
                _ => &[("insecure", "true"), ("bootstrap-addrs", "b")],
            };
            let others: Vec<_> = companions.iter().copied().filter(|(name, _)| *name != key.name).collect();
            let route = || Ok("10.0.0.7".parse().unwrap());
            let variable = key.variables().next().unwrap();
            let file = key.file_line(text);
            for said in [
                flags(&[&others[..], &[(key.name, text)]].concat()),
                given(&others, &[(variable.as_str(), text)], ""),
                given(&others, &[], &file),
            ] {
                let outcome = parse(&said).and_then(|draft| draft.settle(route));
                assert!(outcome.is_ok(), "{} = {text}: {:?}", key.name, outcome.unwrap_err().problems);
            }
        }
    }
}

/// The default file says nothing; with its fixed defaults uncommented it still says nothing new.
#[test]
fn the_default_file_is_the_defaults() {
    let file = reference::default_file();
    let plain = resolve(&flags(&[])).unwrap();
    assert_eq!(resolve(&given(&[], &[], &file)).unwrap(), plain);
    let lines: Vec<_> = file.lines().collect();
    let fixed = lines
        .windows(2)
        .filter(|pair| !pair[0].contains("Example:"))
        .filter_map(|pair| pair[1].strip_prefix('#').filter(|line| line.contains(" = ") && !line.starts_with(' ')));
    let uncommented: Vec<_> = fixed.collect();
    assert!(uncommented.len() >= 10, "{uncommented:?}");
    assert_eq!(resolve(&given(&[], &[], &uncommented.join("\n"))).unwrap(), plain);
}

fn any_value() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "\\PC{0,24}",
        2 => "[0-9a-z.:/,=\\[\\]-]{0,24}",
        1 => prop::sample::select(keys::all().map(|key| key.example.to_owned()).collect::<Vec<_>>()),
    ]
}

fn any_key() -> impl Strategy<Value = &'static key::Decl> {
    prop::sample::select(keys::all().collect::<Vec<_>>())
}

fn any_address_key() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["host", "client-addr", "peer-addr", "gossip-addr", "admin-addr", "metrics-addr"])
}

fn any_address() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "127.0.0.1",
        "127.9.9.9",
        "::1",
        "::ffff:127.0.0.1",
        "10.0.0.1",
        "fd00::1",
        "0.0.0.0",
        "::",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// S22: whatever is said, there is a configuration or a list of problems, each with a hint.
    #[test]
    fn anything_is_understood_or_refused(
        flags in prop::collection::vec((any_key(), any_value()), 0..4),
        variables in prop::collection::vec((any_key(), prop::collection::vec(any::<u8>(), 0..12), any_value()), 0..4),
        lines in prop::collection::vec((any_key(), any_value()), 0..4),
        noise in "\\PC{0,40}",
    ) {
        use std::os::unix::ffi::OsStringExt as _;
        let flags = flags.into_iter().map(|(key, value)| (key.name.to_owned(), OsString::from(value)));
        let variables = variables.into_iter().flat_map(|(key, bytes, text)| {
            let name = key.variables().next().unwrap_or_else(|| "E2D_X".into());
            let value = if bytes.len() % 3 == 0 { OsString::from_vec(bytes) } else { OsString::from(text) };
            [(OsString::from(name), value)]
        });
        let lines: Vec<_> = lines.iter().map(|(key, value)| format!("{} = {value:?}\n", key.name)).collect();
        let mut file = lines.concat();
        if noise.len() % 4 == 0 {
            file.push_str(&noise);
        }
        let given = Given::new(flags, variables).with_file(ConfigFile::new("e2d.toml", file));
        let _ = site(&given);
        match parse(&given).and_then(|draft| draft.settle(|| Ok("10.0.0.7".parse().unwrap()))) {
            Ok(_) => {}
            Err(refused) => {
                prop_assert!(!refused.problems.is_empty());
                for problem in refused.problems {
                    prop_assert!(!problem.to_string().is_empty() && !problem.hint().is_empty());
                }
            }
        }
    }

    /// S18: whichever addresses are said, and wherever, nothing is reachable without keys or `--insecure`.
    #[test]
    fn no_configuration_is_open_by_accident(
        said in prop::collection::vec((any_address_key(), any_address(), 0..3u8), 0..6),
        insecure in any::<bool>(),
        keys in any::<bool>(),
    ) {
        let at = |place| said.iter().filter(move |(_, _, at)| *at == place);
        let mut flags: Vec<_> = at(0).map(|(key, address, _)| (*key, *address)).collect();
        let variables: Vec<_> = at(1).map(|(key, address, _)| (format!("E2D_{}", key.replace('-', "_").to_uppercase()), *address)).collect();
        let variables: Vec<_> = variables.iter().map(|(name, address)| (name.as_str(), *address)).collect();
        let lines: std::collections::BTreeMap<_, _> = at(2).map(|(key, address, _)| (*key, *address)).collect();
        let lines: Vec<_> = lines.iter().map(|(key, address)| format!("{key} = {address:?}\n")).collect();
        flags.extend(insecure.then_some(("insecure", "true")));
        flags.extend(keys.then_some(KEYS).into_iter().flatten());
        let parsed = parse(&given(&flags, &variables, &lines.concat()));
        if let Ok(config) = parsed.and_then(|draft| draft.settle(|| Ok("10.0.0.7".parse().unwrap()))) {
            let network = &config.network;
            let sealed = [network.client(), network.peer(), network.gossip(), network.admin()];
            let reachable = |address: &std::net::SocketAddr| !address.ip().is_loopback();
            match network.security() {
                Security::Keys(_) => prop_assert!(keys),
                Security::Insecure => prop_assert!(insecure && !keys),
                Security::Loopback => prop_assert!(!sealed.iter().chain([&network.metrics()]).any(reachable)),
            }
            let plain = network.metrics_transport() == MetricsTransport::Plain;
            prop_assert!(insecure || !plain || !reachable(&network.metrics()));
        }
    }

    /// S22: any text is a configuration file or an error.
    #[test]
    fn any_file_is_read_or_refused(text in "(\\PC|\n){0,200}|([a-z-]{1,12} ?= ?[0-9\"'\\[\\]{}a-z,.-]{0,12}\n){0,5}") {
        let _ = parse(&given(&[], &[], &text));
    }
}
