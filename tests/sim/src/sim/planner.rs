//! A process plans: it tells its word, and begins what the plan says, one act a track at a time.

use super::{Event, Sim};
use crate::gossip::{COPY, WORD};
use e2d_core::word::Word;
use e2d_gossip::Input;
use rand::Rng;
use std::time::Duration;

impl Sim {
    /// Lets a process plan shortly, once for all that happens meanwhile.
    pub fn plan_soon(&mut self, h: usize) {
        let Some(process) = &mut self.hosts[h].process else { return };
        if !process.planned {
            process.planned = true;
            let boot = process.boot;
            self.queue.after(Duration::from_millis(2), Event::Plan(h, boot));
        }
    }

    pub(super) fn plan(&mut self, h: usize) {
        self.meet_peers(h);
        let mut entropy = [0; 32];
        self.rng.fill_bytes(&mut entropy);
        let mutant = self.setup.mutant;
        let Some(process) = &mut self.hosts[h].process else { return };
        process.planned = false;
        process.world.entropy = entropy;
        if process.world.stopping && process.world.runs().is_none() {
            self.note(|| format!("host{h} e2d ends"));
            return self.kill_e2d(h);
        }
        let plan = match mutant {
            None => e2d_core::plan::plan(&process.world),
            Some(mutant) => e2d_core::plan::plan(&mutant.lie(&process.world, &mut process.memo)),
        };
        let actions: Vec<_> = plan.acts().map(|(track, action)| (track, action.clone())).collect();
        let word = match mutant {
            None => plan.word,
            Some(mutant) => mutant.word(plan.word, &mut process.memo),
        };
        self.tell(h, word);
        for (track, action) in actions {
            let Some(process) = &mut self.hosts[h].process else { return };
            if !std::mem::replace(&mut process.busy[track as usize], true) {
                crate::acts::begin(self, h, track, action);
            }
        }
    }

    /// Tells what is new of the word, and of the lineage copy.
    fn tell(&mut self, h: usize, word: Word) {
        let Some(process) = &mut self.hosts[h].process else { return };
        let Some(gossip) = &mut process.gossip else { return };
        let body = (gossip.word.as_ref() != Some(&word)).then(|| word.encode());
        gossip.word = Some(word);
        let lineage = process.world.lineage();
        let copy = lineage.map(|lineage| (lineage.lineage, lineage.seq, lineage.nonce));
        let encoded = lineage.filter(|_| gossip.copy != copy).map(|lineage| lineage.encode(""));
        gossip.copy = copy;
        if let Some(body) = body {
            self.feed(h, Input::Publish { topic: WORD, body: body.into() });
        }
        if let Some(body) = encoded {
            self.feed(h, Input::Publish { topic: COPY, body: body.into() });
        }
    }
}
