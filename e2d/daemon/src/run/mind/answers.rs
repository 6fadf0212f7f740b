//! What other nodes ask about their disks, answered.

use super::Mind;
use crate::run::files;
use e2d_core::interview::{self, Question};
use e2d_core::plan::Track;

impl Mind {
    /// Answers what another node asks about its disk, after what was asked is durable. While the same
    /// file is being written for another reason the question is dropped: its asker repeats it.
    pub(super) async fn testify(&mut self, incoming: e2d_gossip::Incoming) {
        let writing = !self.is_idle(Track::Node);
        let Ok(question) = serde_json::from_slice::<Question>(&incoming.body) else { return };
        if writing || question.node != incoming.from.node {
            return;
        }
        let (testimony, recall) = interview::testify(&self.world, &question);
        // Its asker repeats it until it is answered: what is durable need not be made so again.
        if recall == self.world.recall {
            self.talk.answer(&incoming, &testimony).await;
            return;
        }
        let (home, content) = (self.setting.home.clone(), recall.clone());
        let written = tokio::task::spawn_blocking(move || files::recall(&home, &content)).await;
        match written {
            Ok(Ok(())) => {
                self.world.recall = recall;
                self.talk.answer(&incoming, &testimony).await;
            }
            Ok(Err(error)) => tracing::warn!(%error, "a question cannot be answered: nothing can be written down"),
            Err(error) => tracing::warn!(%error, "a question was not answered"),
        }
    }
}
