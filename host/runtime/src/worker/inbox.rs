//! The sending end of a worker's inbox, for those who must not wait: other workers, and lookups with their answers.

use super::Message;
use millrace_lookup::{AnswerSink, Answered};
use tokio::runtime::Handle;
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

/// A worker's inbox. Cloning shares it.
#[derive(Clone)]
pub struct Inbox {
    sender: Sender<Message>,
    /// Where a message is left to wait for room.
    io: Handle,
}

impl Inbox {
    /// The inbox that `sender` leads to.
    pub fn new(sender: Sender<Message>, io: Handle) -> Self {
        Self { sender, io }
    }

    /// Sends without waiting: two workers that wait for each other's inboxes would wait for ever.
    pub(super) fn pass(&self, message: Message) {
        match self.sender.try_send(message) {
            // A worker that is gone takes the host with it.
            Ok(()) | Err(TrySendError::Closed(_)) => {}
            Err(TrySendError::Full(message)) => {
                let sender = self.sender.clone();
                self.io.spawn(async move { drop(sender.send(message).await) });
            }
        }
    }
}

impl AnswerSink for Inbox {
    fn deliver(&self, answers: Vec<Answered>) {
        self.pass(Message::Answers(answers));
    }
}
