//! Waiting for several lookups at once. Combinators of other crates work too; these spare an author the dependency.

use crate::limits::ASKS_OPEN_MAX;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

/// Both results, once both are there. Both lookups are asked in the same turn, so that the host can ask for both at
/// once. A failure of one does not end the other.
///
/// ```
/// # use millrace_sdk::{Event, Failure, MediaWiki, Outcome, join};
/// # async fn two(event: Event, wiki: &MediaWiki) -> Result<Outcome, Failure> {
/// let (new, old) = join(wiki.revision("en.wikipedia.org", 2), wiki.revision("en.wikipedia.org", 1)).await;
/// let grown_by = new?.content("main")?.size as i64 - old?.content("main")?.size as i64;
/// # Ok(event.patch().set("/grown_by", &grown_by).emit("grown"))
/// # }
/// ```
pub async fn join<A: IntoFuture, B: IntoFuture>(first: A, second: B) -> (A::Output, B::Output) {
    let (mut first, mut second) = (pin!(first.into_future()), pin!(second.into_future()));
    let (mut first_result, mut second_result) = (None, None);
    poll_fn(|ctx| {
        if first_result.is_none()
            && let Poll::Ready(result) = first.as_mut().poll(ctx)
        {
            first_result = Some(result);
        }
        if second_result.is_none()
            && let Poll::Ready(result) = second.as_mut().poll(ctx)
        {
            second_result = Some(result);
        }
        match (first_result.take(), second_result.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (a, b) => {
                (first_result, second_result) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}

/// All results in the order of the lookups, once all are there. A failure of one does not end the others.
///
/// The first 64 are asked in the same turn, so that the host can ask for many at once (50 revisions of one wiki are one
/// call), and each one after them, in their order, as soon as another is answered: no more may be open at once. So it
/// takes any number of lookups, up to the 1,000 that an event may make in all.
///
/// ```
/// # use millrace_sdk::{Failure, MediaWiki, Revision, join_all};
/// # async fn many(wiki: &MediaWiki, ids: &[u64]) -> Result<Vec<Revision>, Failure> {
/// let found = join_all(ids.iter().map(|id| wiki.revision("en.wikipedia.org", *id))).await;
/// # Ok(found.into_iter().collect::<Result<_, _>>()?)
/// # }
/// ```
pub async fn join_all<F: IntoFuture>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut unstarted = futures.into_iter().fuse();
    let mut slots: Vec<Slot<F::IntoFuture>> = Vec::new();
    poll_fn(|ctx| {
        let mut waiting = 0;
        for slot in &mut slots {
            waiting += usize::from(slot.poll(ctx).is_pending());
        }
        while waiting < ASKS_OPEN_MAX
            && let Some(future) = unstarted.next()
        {
            let mut slot = Slot::Waiting(Box::pin(future.into_future()));
            waiting += usize::from(slot.poll(ctx).is_pending());
            slots.push(slot);
        }
        if waiting == 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    let results = slots.into_iter().filter_map(|slot| match slot {
        Slot::Ready(result) => Some(result),
        Slot::Waiting(_) => None,
    });
    results.collect()
}

enum Slot<F: Future> {
    Waiting(Pin<Box<F>>),
    Ready(F::Output),
}

impl<F: Future> Slot<F> {
    /// Polls what still waits.
    fn poll(&mut self, ctx: &mut Context<'_>) -> Poll<()> {
        if let Self::Waiting(future) = self {
            match future.as_mut().poll(ctx) {
                Poll::Ready(result) => *self = Self::Ready(result),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests;
