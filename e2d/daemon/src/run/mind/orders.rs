//! What operators order: judged by the core, carried out by the hands, written into the decision log.
//!
//! A removal and an archive go through the same tracks as the plan's acts, one at a time (S5): they wait
//! for an act that is under way there, and are judged when their turn comes.

use super::Mind;
use crate::admin::order::{Answer, Denial, Order, Request};
use crate::run::fact::{Fact, Outcome};
use e2d_core::action::Action;
use e2d_core::id::MemberId;
use e2d_core::operator::{self, Refused};
use e2d_core::plan::{TRACKS, Track};
use std::collections::VecDeque;
use std::time::Duration;

/// How many orders may wait for their turn.
const MOST_WAITING: usize = 4;

/// Orders that wait for their track, and those that are on one.
#[derive(Debug, Default)]
pub(super) struct Orders {
    waiting: VecDeque<Request>,
    current: [Option<(Request, String)>; TRACKS.len()],
}

fn track(order: &Order) -> Track {
    if matches!(order, Order::Save) { Track::Backup } else { Track::Members }
}

fn denial(refused: &Refused) -> Denial {
    match refused {
        Refused::NoMember(_) => Denial::NotFound(refused.to_string()),
        Refused::NotLeading { leader: None } | Refused::HeirsAway => Denial::Later(refused.to_string()),
        _ => Denial::Refused(refused.to_string()),
    }
}

/// What is ordered, for the decision log.
fn sentence(request: &Request) -> String {
    let what = match &request.order {
        Order::Hold { reason, span } => format!("hold all automatic acts for {} s: {reason}", span.as_secs()),
        Order::Release => "release automatic acts".to_owned(),
        Order::StepDown => "hand leadership over".to_owned(),
        Order::Remove { member, .. } => format!("remove member {member}"),
        Order::Save => "take a full archive, and verify it".to_owned(),
    };
    format!("{what}; ordered by {}", request.by)
}

impl Mind {
    /// Takes an order.
    pub(super) async fn obey(&mut self, request: Request) {
        let leaving = self.world.stopping || self.again;
        match &request.order {
            _ if leaving => self.reply(request, Err(Denial::Later("this node is stopping".to_owned()))),
            Order::Hold { reason, span } => {
                let (reason, span) = (reason.clone(), *span);
                let outcome = self.issue_hold(&reason, span).await;
                tracing::info!(reason, seconds = span.as_secs(), "automatic acts are held by an operator");
                self.reply(request, outcome.map(Answer::Hold).map_err(Denial::Failed));
            }
            Order::Release => {
                let outcome = self.issue_hold("", Duration::ZERO).await;
                tracing::info!("automatic acts go on: an operator released them");
                self.reply(request, outcome.map(Answer::Hold).map_err(Denial::Failed));
            }
            Order::StepDown => self.step_down(request),
            Order::Remove { member, dry_run: true } => {
                let judged = operator::remove(&self.world, *member, &request.by);
                let answer =
                    judged.map(|evidence| Answer::Removal { removed: false, because: evidence.because().to_owned() });
                // Nothing was ordered, so nothing is written down.
                let _ = request.answer.send(answer.map_err(|refused| denial(&refused)));
            }
            Order::Remove { .. } | Order::Save if self.orders.waiting.len() >= MOST_WAITING => {
                self.reply(request, Err(Denial::Later("other orders wait for their turn already".to_owned())));
            }
            Order::Remove { .. } | Order::Save => self.orders.waiting.push_back(request),
        }
    }

    fn step_down(&mut self, request: Request) {
        let heir = match operator::heir(&self.world) {
            Ok(heir) => heir,
            Err(Refused::NotLeading { leader: Some((member, name)) }) => {
                self.reply(request, Ok(Answer::Leader { moved: false, member, name }));
                return;
            }
            Err(refused) => {
                self.reply(request, Err(denial(&refused)));
                return;
            }
        };
        let (hands, facts, planned) = (self.hands.clone(), self.hands.facts(), self.world.now);
        tokio::spawn(async move {
            let outcome = hands.hand_over(heir, planned).await;
            let _ = facts.send(Fact::HandedOver { request, heir, outcome }).await;
        });
    }

    /// Leadership was handed over, or not.
    pub(super) fn handed_over(&mut self, request: Request, heir: MemberId, outcome: Result<(), String>) {
        let listed = self.world.members().unwrap_or_default().iter().find(|member| member.id == heir);
        let name = listed.map(|member| member.name.clone()).unwrap_or_default();
        let answer = outcome.map(|()| Answer::Leader { moved: true, member: heir, name });
        self.reply(request, answer.map_err(Denial::Failed));
    }

    /// Begins the orders whose turn it is.
    pub(super) fn begin_orders(&mut self) {
        for on in TRACKS.into_iter().filter(|on| self.is_idle(*on)).collect::<Vec<_>>() {
            let turn = self.orders.waiting.iter().position(|request| track(&request.order) == on);
            if let Some(request) = turn.and_then(|turn| self.orders.waiting.remove(turn)) {
                self.begin_order(on, request);
            }
        }
    }

    fn begin_order(&mut self, track: Track, request: Request) {
        if self.world.stopping || self.again {
            self.reply(request, Err(Denial::Later("this node is stopping".to_owned())));
            return;
        }
        // Who has gone away meanwhile does not want it any more.
        if request.answer.is_closed() {
            return;
        }
        let judged = match &request.order {
            Order::Remove { member, .. } => operator::remove(&self.world, *member, &request.by).map(Action::Remove),
            _ => operator::archive(&self.world).map(|()| Action::Archive),
        };
        match judged {
            Err(refused) => self.reply(request, Err(denial(&refused))),
            Ok(action) => {
                tracing::info!(act = %action, by = request.by, "acting on an order");
                let because = match &action {
                    Action::Remove(evidence) => evidence.because().to_owned(),
                    _ => String::new(),
                };
                self.orders.current[track as usize] = Some((request, because));
                self.begin(track, "operator", action);
            }
        }
    }

    /// The act of an order has ended, if it was one. The decision log has it already.
    pub(super) fn answer_order(&mut self, track: Track, outcome: &Outcome) {
        let Some((request, because)) = self.orders.current[track as usize].take() else { return };
        let answer = match outcome {
            Outcome::Failed(why) => Err(Denial::Failed(why.clone())),
            Outcome::Archived(receipt) => Ok(Answer::Saved((**receipt).clone())),
            _ => Ok(Answer::Removal { removed: true, because }),
        };
        let _ = request.answer.send(answer);
    }

    fn reply(&mut self, request: Request, answer: Result<Answer, Denial>) {
        let outcome = match &answer {
            Ok(Answer::Leader { moved: false, member, .. }) => format!("nothing to do: member {member} leads"),
            Ok(Answer::Leader { member, .. }) => format!("done: member {member} leads"),
            Ok(_) => "done".to_owned(),
            Err(denial) => denial.to_string(),
        };
        self.note("operator", sentence(&request), outcome);
        let _ = request.answer.send(answer);
    }
}
