//! The verbs that show what the daemon knows.

use super::client::{MembersArgs, MembersVerb, PlanArgs, SiteArgs, StatusArgs, WhyArgs};
use super::exit::Failure;
use super::output::{Format, Table, json, print};
use super::{Cli, order, watch};
use crate::admin::v1::{Certificate, Lineage, StatusReply, StatusRequest};
use crate::admin::{self, AskError};
use crate::run::journal::{Entry, Journal};
use camino::Utf8Path;
use clap::CommandFactory as _;
use clap::error::ErrorKind;

impl StatusArgs {
    /// Prints the node's status, again and again with `--watch`.
    pub fn carry_out(&self) -> Result<(), Failure> {
        watch::show(&self.site, self.watch, |seen| match self.output {
            Format::Json => json(&seen.reply),
            Format::Table => Ok(table(&seen.reply)),
        })
    }
}

impl PlanArgs {
    /// Prints what the daemon would do now: its own plan, of the last second.
    pub fn carry_out(&self) -> Result<(), Failure> {
        let reply = ask(&self.site)?;
        let text = match self.output {
            Format::Json => {
                let StatusReply { acts, waits, age_seconds, .. } = &reply;
                json(&serde_json::json!({ "does": acts, "waits": waits, "age_seconds": age_seconds }))?
            }
            Format::Table => {
                let lines: Vec<String> = age(&reply).into_iter().chain(plan_lines(&reply)).collect();
                if lines.is_empty() { "nothing to do\n".to_owned() } else { lines.join("\n") + "\n" }
            }
        };
        print(&text)
    }
}

impl MembersArgs {
    /// Lists the members, again and again with `--watch`, or removes one.
    pub fn carry_out(&self) -> Result<(), Failure> {
        let again = match self.verb {
            Some(MembersVerb::Remove { .. }) if self.watch => return Err(removal_is_not_watched()),
            Some(MembersVerb::Remove { member, yes }) => return order::remove(&self.site, self.output, member, yes),
            Some(MembersVerb::List { watch }) => self.watch || watch,
            None => self.watch,
        };
        watch::show(&self.site, again, |seen| match self.output {
            Format::Json => json(&seen.reply.members),
            Format::Table if seen.reply.down => Ok(known_members(&seen.reply, seen.source)),
            Format::Table => Ok(members_now(&seen.reply)),
        })
    }
}

fn removal_is_not_watched() -> Failure {
    let what = "the argument '--watch' cannot be used with 'remove'";
    Failure::Usage(Cli::command().error(ErrorKind::ArgumentConflict, what))
}

impl WhyArgs {
    /// Prints the decision log, from the disk: it is there when the daemon is not.
    pub fn carry_out(&self) -> Result<(), Failure> {
        let site = self.site.site(std::env::vars_os())?;
        let journal = Journal::new(&e2d_etcd::datadir::home(&site.data_dir));
        let about = self.member.map(|member| member.to_string());
        let last = usize::try_from(self.last).unwrap_or(usize::MAX);
        let entries = journal.read(about.as_deref(), last).map_err(Failure::failed)?;
        print(&match self.output {
            Format::Json => json(&entries)?,
            Format::Table => decisions(&entries),
        })
    }
}

fn decisions(entries: &[Entry]) -> String {
    let mut table = Table::new(&["WHEN", "DECISION", "ACT", "OUTCOME"]);
    for entry in entries {
        let Entry { at, decision, act, outcome } = entry.clone();
        table.row([format!("{at:.0}"), decision, act, outcome]);
    }
    table.text()
}

/// Asks the daemon of a node once.
fn ask(site: &SiteArgs) -> Result<StatusReply, Failure> {
    once(&site.socket(&site.site(std::env::vars_os())?))
}

/// Asks the daemon behind a socket once.
pub(super) fn once(socket: &Utf8Path) -> Result<StatusReply, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::failed)?;
    runtime.block_on(status(socket))
}

/// Asks the daemon behind a socket once, in a runtime that is there.
pub(super) async fn status(socket: &Utf8Path) -> Result<StatusReply, Failure> {
    let asked = async {
        let mut client = admin::connect(socket).await?;
        Ok::<_, AskError>(client.status(StatusRequest {}).await?.into_inner())
    };
    asked.await.map_err(order::failure)
}

/// How old a picture may be before that is said, in seconds.
const STALE: u64 = 5;

/// Says how old a picture is that should have been painted anew: one is, at least each second.
fn age(reply: &StatusReply) -> Option<String> {
    let age = reply.age_seconds;
    (age >= STALE).then(|| format!("old       so it was {age} s ago: e2d is held up since, by a slow disk perhaps"))
}

/// The first lines: who it is, and what etcd does.
fn head(reply: &StatusReply) -> Vec<String> {
    if reply.down {
        let node = if reply.node.is_empty() { "of no identity" } else { &reply.node };
        return vec![
            "daemon    does not run".to_owned(),
            format!("node      {node} ({})", reply.phase),
            format!("disk      {}", reply.data),
        ];
    }
    let serves = if reply.serves { "serves" } else { "does not serve" };
    let lines = [
        format!("node      {} ({})", reply.name, reply.phase),
        format!("etcd      {} {}, {}, {serves}", reply.etcd_version, reply.etcd, reply.role),
        format!("position  term {}, index {}, revision {}", reply.term, reply.index, reply.revision),
    ];
    age(reply).into_iter().chain(lines).collect()
}

fn lineage(reply: &StatusReply) -> Option<String> {
    let Lineage { id, epoch, state, cluster, .. } = reply.lineage.as_ref()?;
    Some(format!("lineage   {id} epoch {epoch} {state}, cluster {cluster}"))
}

fn store(reply: &StatusReply) -> Vec<String> {
    let Some(store) = &reply.store else { return Vec::new() };
    let mut lines = vec![format!("store     {} {} of {} archives verified", store.url, store.verified, store.archives)];
    if !store.trouble.is_empty() {
        lines.push(format!("          cannot be used: {}", store.trouble));
    }
    if store.left_out > 0 {
        lines.push(format!("          {} older archives are not looked at: remove some", store.left_out));
    }
    if store.newest_epoch > 0 {
        lines.push(format!("          newest: revision {} of epoch {}", store.newest_revision, store.newest_epoch));
    }
    if let Some(lineage) = &store.lineage {
        lines.push(format!("          lineage {} epoch {} {}", lineage.id, lineage.epoch, lineage.state));
    }
    lines
}

fn table(reply: &StatusReply) -> String {
    let mut lines = head(reply);
    lines.push(lineage(reply).unwrap_or_else(|| "lineage   none known".to_owned()));
    lines.extend(store(reply));
    for certificate in soon(&reply.certificates, jiff::Timestamp::now()) {
        let Certificate { kind, not_after, path, .. } = certificate;
        lines.push(format!("keys      the certificate {kind} ends at {not_after}: {path}"));
    }
    if let Some(hold) = &reply.hold {
        lines.push(format!("held      for {}: {}", order::rest(hold), hold.reason));
    }
    lines.extend(plan_lines(reply));
    let mut text = lines.join("\n") + "\n";
    if !reply.members.is_empty() {
        text.push('\n');
        text.push_str(&members_now(reply));
    }
    if !reply.peers.is_empty() {
        let mut peers = Table::new(&["PEER", "ADDRESS", "ALIVE", "PHASE", "ETCD"]);
        for peer in &reply.peers {
            let alive = if peer.alive { "yes" } else { "no" };
            let cells = [&peer.node, &peer.address, alive, &peer.phase, &peer.etcd];
            peers.row(cells.map(str::to_owned));
        }
        text.push('\n');
        text.push_str(&peers.text());
    }
    text
}

/// Certificates that end within a month.
fn soon(certificates: &[Certificate], now: jiff::Timestamp) -> impl Iterator<Item = &Certificate> {
    let month = now.as_second() + 30 * 24 * 3600;
    certificates.iter().filter(move |certificate| certificate.not_after_seconds < month)
}

fn plan_lines(reply: &StatusReply) -> Vec<String> {
    let said = |title: &'static str, items: &[String]| -> Vec<String> {
        items.iter().map(|item| format!("{title:<9} {item}")).collect()
    };
    [said("does", &reply.acts), said("waits", &reply.waits), said("advice", &reply.advice)].concat()
}

/// The members while the daemon is down, and on whose word.
fn known_members(reply: &StatusReply, source: &str) -> String {
    let mut lines = vec![head(reply)[0].clone(), format!("members   {source}")];
    lines.extend(lineage(reply));
    lines.extend(store(reply));
    lines.extend(plan_lines(reply));
    lines.join("\n") + "\n\n" + &members(reply)
}

/// The members while the daemon runs, and on whose word if etcd has not listed them.
fn members_now(reply: &StatusReply) -> String {
    let source = if reply.members.iter().any(|member| member.remembered) {
        "members   as this disk last heard of them\n\n"
    } else {
        ""
    };
    source.to_owned() + &members(reply)
}

fn members(reply: &StatusReply) -> String {
    let mut table = Table::new(&["MEMBER", "NAME", "PEER URL", "KIND", "HEARD"]);
    for member in &reply.members {
        let kind = match (member.started, member.learner) {
            (false, _) => "not started",
            (true, true) => "learner",
            // Who only remembers it does not know more.
            (true, false) if member.remembered => "member",
            (true, false) => "voter",
        };
        let heard = member.present.map_or("-", |present| if present { "yes" } else { "no" });
        let kind = if member.in_doubt { format!("{kind}, its data differs") } else { kind.to_owned() };
        let cells = [&member.id, &member.name, &member.peer_url, &kind, heard];
        table.row(cells.map(str::to_owned));
    }
    table.text()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::v1::Store;
    use crate::metrics::Picture;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn an_old_picture_says_how_old_it_is() {
        let picture = Picture::default();
        assert!(!table(&picture.shown()).contains("old "));
        tokio::time::advance(Duration::from_secs(42)).await;
        assert!(table(&picture.shown()).starts_with("old       so it was 42 s ago"), "{}", table(&picture.shown()));
    }

    #[test]
    fn archives_that_are_not_looked_at_are_counted() {
        let shown = |left_out| {
            let store = Store { archives: 5000, left_out, ..Store::default() };
            table(&StatusReply { store: Some(store), ..StatusReply::default() })
        };
        assert!(shown(7).contains("7 older archives are not looked at") && !shown(0).contains("not looked at"));
    }
}
