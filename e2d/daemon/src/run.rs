//! `e2d run`: the shell around the pure core.
//!
//! Observers turn the outside into facts, one task (`mind`) takes them in and plans, and the hands
//! (`act`) carry out one act at a time on each of the plan's tracks, then report. What must not be
//! forgotten is durable before the act that it justifies; after each act the world is observed anew.

mod act;
mod advice;
mod agree;
mod describe;
mod fact;
mod files;
pub(crate) mod journal;
mod keys;
mod look;
mod mind;
mod mount;
pub(crate) mod offline;
pub(crate) mod picture;
mod setting;
mod signals;
mod talk;

use crate::admin;
use crate::cli::exit::{Exit, Failure};
use crate::config::{Config, MetricsTransport, Network};
use crate::http;
use fact::Fact;
use mind::{Ending, Mind};
use setting::Setting;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

/// How many facts may wait for the mind. Observers wait when it is full; nothing is lost.
const FACTS: usize = 64;

/// How many orders of operators may wait for the mind.
const ORDERS: usize = 4;

/// Runs one node until it is told to stop, or may not go on.
pub fn run(config: Config) -> Result<(), Failure> {
    let signals = signals::Signals::listen().map_err(|error| Failure::advise(error, "signals cannot be received"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::advise(error, "the system refuses threads: look at its limits"))?;
    // On a worker, like all that it speaks with: a wake-up from one thread to another costs more than most of what is done.
    let ending = runtime.block_on(async { tokio::spawn(serve(config, signals.clone())).await });
    let ending = ending.unwrap_or_else(|broken| Err(Failure::failed(broken)));
    if let Ok(After::Again) = ending {
        runtime.shutdown_timeout(THREADS_END_WITHIN);
        return Err(again(&signals));
    }
    // A thread that a store or a resolver holds up is not waited for.
    runtime.shutdown_background();
    ending.map(drop)
}

/// How long the threads of a run may take to end before the program is executed again, which ends them as well.
const THREADS_END_WITHIN: Duration = Duration::from_secs(1);

/// What follows a run.
enum After {
    /// The process ends.
    End,
    /// It executes its own program again; etcd runs on, and the new run adopts it.
    Again,
}

/// Executes this program again, with the same arguments: the new version of it, if it was replaced.
/// Returns only if that fails.
fn again(signals: &signals::Signals) -> Failure {
    use std::os::unix::process::CommandExt as _;
    let program = match std::env::current_exe() {
        // So the kernel names a program that was replaced while it ran.
        Ok(path) => match path.to_string_lossy().strip_suffix(" (deleted)") {
            Some(replaced) => std::path::PathBuf::from(replaced),
            None => path,
        },
        Err(error) => return Failure::advise(error, "start e2d again: etcd runs on"),
    };
    tracing::info!(program = %program.display(), "executing the program again, etcd runs on");
    signals.keep();
    let error = std::process::Command::new(program).args(std::env::args_os().skip(1)).exec();
    Failure::advise(error, "start e2d again: etcd runs on")
}

async fn serve(config: Config, signals: signals::Signals) -> Result<After, Failure> {
    let (facts, mut inbox) = mpsc::channel(FACTS);
    let tasks = TaskTracker::new();
    // From here on no signal is lost: one that comes before the mind lives is the first thing that it learns.
    tasks.spawn(signals::forward(signals, facts.clone()));
    if let Some(told) = wait_for_disk(&config, &mut inbox).await {
        return Ok(told);
    }
    let setting = Arc::new(Setting::prepare(config).await?);
    let files = files::load(&setting.home).map_err(|error| {
        let exit = if error.may_pass() { Exit::TryAgain } else { Exit::BadConfiguration };
        Failure::with_hint(exit, error, FILES_HINT)
    })?;
    let hands = act::Hands::take_up(setting.clone(), facts.clone(), tasks.clone())
        .map_err(|error| Failure::advise(error, "see whether another e2d or etcd uses the data directory"))?;
    if hands.child().is_none() {
        find_room(&setting.config.network).await?;
    }
    let looks = look::start(&setting, &hands, &facts, &tasks);
    let (picture, shown) = watch::channel(Arc::default());
    let (orders, ordered) = mpsc::channel(ORDERS);
    tasks.spawn(forward(ordered, facts.clone()));
    let desk = admin::Desk { picture: shown, orders };
    let doors = open(&setting, desk).await?;
    let talk = talk::Talk::new(setting.clone(), facts.clone(), tasks.clone());
    let mind = Mind::new(setting, files, hands, looks, talk, picture);
    let ending = mind.live(inbox).await;
    doors.iter().for_each(JoinHandle::abort);
    tasks.close();
    match ending {
        Ending::Stopped => Ok(After::End),
        Ending::Again => Ok(After::Again),
        Ending::Deaf(error) => {
            Err(Failure::with_hint(Exit::TryAgain, error, "name another --gossip-addr, or free this one"))
        }
        Ending::Refused(why) => Err(Failure::with_hint(Exit::BadConfiguration, why, "nothing was changed")),
    }
}

/// Waits for the data disk, or until the process is told to end: nothing of ours can run without that disk.
async fn wait_for_disk(config: &Config, inbox: &mut mpsc::Receiver<Fact>) -> Option<After> {
    let told = async {
        loop {
            match inbox.recv().await {
                Some(Fact::Stop) | None => return After::End,
                Some(Fact::Again) => return After::Again,
                // Nothing was read yet that could be read again.
                Some(_) => {}
            }
        }
    };
    tokio::select! {
        () = mount::wait(&config.site) => None,
        after = told => Some(after),
    }
}

/// How long an etcd that was killed may take to end: its memory is given back first.
const ENDS_WITHIN: Duration = Duration::from_secs(5);

/// Sees that etcd will find its addresses free: it would say so itself only when all else is decided.
async fn find_room(network: &Network) -> Result<(), Failure> {
    let end = Instant::now() + ENDS_WITHIN;
    let clients = network.client_listen().into_iter().map(|address| (address, "--client-addr"));
    for (address, flag) in clients.chain([(network.peer(), "--peer-addr")]) {
        while let Err(error) = http::listen(address).await {
            if Instant::now() >= end {
                let hint =
                    format!("is another etcd running, or the address not this machine's? else name another {flag}");
                return Err(Failure::with_hint(Exit::TryAgain, error, hint));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    Ok(())
}

/// Serves everybody who may ask: the socket, metrics, and with keys the admin API.
async fn open(setting: &Setting, desk: admin::Desk) -> Result<Vec<JoinHandle<()>>, Failure> {
    let network = &setting.config.network;
    let taken = |what: &'static str| move |error| Failure::with_hint(Exit::TryAgain, error, what);
    let unfit = |error: rustls::Error| Failure::with_hint(Exit::BadConfiguration, error, "see `e2d pki inspect`");
    let acceptor =
        |http2: bool| setting.certificates.as_ref().map(|all| all.acceptor(http2)).transpose().map_err(unfit);
    let socket = admin::serve(&setting.config.site.socket(), desk.clone())
        .await
        .map_err(|error| Failure::with_hint(Exit::TryAgain, error, "is another e2d running on this data directory?"))?;
    let metrics =
        http::listen(network.metrics()).await.map_err(taken("name another --metrics-addr, or free this one"))?;
    let tls = acceptor(false)?.filter(|_| network.metrics_transport() == MetricsTransport::MutualTls);
    let mut doors = vec![tokio::spawn(socket), tokio::spawn(http::serve(metrics, tls, desk.picture.clone()))];
    if let Some(tls) = acceptor(true)? {
        let admin =
            http::listen(network.admin()).await.map_err(taken("name another --admin-addr, or free this one"))?;
        doors.push(tokio::spawn(admin::tcp::serve(admin, tls, desk)));
    }
    Ok(doors)
}

const FILES_HINT: &str = "e2d's own files lie in e2d/ in the data directory; a newer e2d reads newer ones";

/// Passes orders on to the mind.
async fn forward(mut orders: mpsc::Receiver<admin::order::Request>, facts: mpsc::Sender<Fact>) {
    while let Some(request) = orders.recv().await {
        if facts.send(Fact::Order(request)).await.is_err() {
            return;
        }
    }
}
