//! The body of an answer that is to be stored, collected while it streams on.

use crate::ResponseCache;
use crate::metrics::{INCOMPLETE, TOO_LARGE};
use crate::storage::Kept;
use crate::stream::{Collecting, Filling, NewAnswer};
use ballast_core::response_cache::rules::{Fields, may_combine};
use ballast_core::response_cache::store::Outcome;
use ballast_host::{Buffer, Cx, Host};

impl ResponseCache {
    /// A piece of the answer's body.
    pub(crate) fn on_piece<H: Host>(
        &mut self,
        collecting: &mut Collecting,
        cx: &mut Cx<'_, H>,
        size: usize,
        end: bool,
    ) -> bool {
        let piece = if size == 0 || collecting.is_given_up {
            Ok(Vec::new())
        } else {
            cx.host.buffer(Buffer::ResponseBody, 0, size)
        };
        let whole = match piece {
            Ok(_) if size == 0 => true,
            Ok(piece) if piece.len() == size => {
                if collecting.body.is_empty() {
                    collecting.body = piece;
                    // Mostly this is all.
                    let more = collecting.announced.map_or(0, |bytes| bytes.saturating_sub(size));
                    collecting.body.reserve_exact(more);
                } else {
                    collecting.body.extend_from_slice(&piece);
                }
                true
            }
            _ => false,
        };
        if let Some(filling) = &mut collecting.filling {
            filling.send(cx.host, size, end);
        }
        if collecting.is_given_up {
            return !end;
        }
        let fits = collecting.body.len() <= self.most_body();
        if !fits || !whole {
            self.give_up(collecting, if fits { INCOMPLETE } else { TOO_LARGE }, cx);
            return !end;
        }
        if end {
            let announced = collecting.announced.is_none_or(|bytes| bytes == collecting.body.len());
            if announced {
                let is_in_one = size == collecting.body.len();
                self.store_collected(collecting, is_in_one, cx);
            } else {
                self.give_up(collecting, INCOMPLETE, cx);
            }
        }
        !end
    }

    /// What was collected is not stored after all.
    pub(crate) fn give_up<H: Host>(&mut self, collecting: &mut Collecting, why: &str, cx: &mut Cx<'_, H>) {
        self.count(&collecting.asked, |metrics| metrics.refused(why));
        (collecting.body, collecting.is_given_up) = (Vec::new(), true);
        let outcome = if why == INCOMPLETE { Outcome::Released } else { self.uncacheable() };
        self.end_flight(&mut collecting.lead, outcome, cx);
    }

    /// All of it is there; `is_in_one`: it came in one piece.
    fn store_collected<H: Host>(&mut self, collecting: &mut Collecting, is_in_one: bool, cx: &mut Cx<'_, H>) {
        let mut new = core::mem::take(&mut collecting.new);
        let mut body = core::mem::take(&mut collecting.body);
        if let Some(filling) = &collecting.filling
            && let Some(mut head) = new.head.head()
            && let Some(newer) = &head.stored.parts
            && let Some((parts, combined)) = filling.parts.combine(&filling.stored, newer, &body)
        {
            body = combined;
            head.stored.parts = Some(parts).filter(|parts| !parts.is_complete());
            let sealed = head.seal();
            new.head = sealed;
        }
        // What comes in one piece comes with its head, or little later: that makes no difference to what is evicted first.
        let now = if is_in_one { new.received } else { cx.host.now() };
        self.store(&collecting.asked, new, body.into(), now, &mut collecting.lead, cx);
    }
}

impl Filling {
    /// Puts what is stored around the part that streams past.
    fn send(&mut self, host: &impl Host, size: usize, end: bool) {
        let before = core::mem::take(&mut self.before);
        let mut size = size;
        if !before.is_empty() {
            size += before.len();
            // In front of the piece: nothing of it is replaced.
            let _ = host.set_buffer(Buffer::ResponseBody, 0, 0, &before);
        }
        if end {
            let after = core::mem::take(&mut self.after);
            if !after.is_empty() {
                let _ = host.set_buffer(Buffer::ResponseBody, size, 0, &after);
            }
        }
    }
}

/// Stored parts that a new part can be combined with.
pub(crate) fn combinable(kept: &Kept, new: &NewAnswer) -> Option<Filling> {
    let head = kept.ready.head()?;
    let parts = head.stored.parts.clone()?;
    let new = new.head.head()?;
    let newer = new.stored.parts.as_ref()?;
    let (old_lines, new_lines) = (head.lines(), new.lines());
    if parts.complete_length != newer.complete_length
        || !may_combine(Fields::new(&old_lines), Fields::new(&new_lines))
    {
        return None;
    }
    let gap = newer.ranges.first()?;
    let stored = kept.ready.body().to_vec();
    // The stored bytes are in order: those before the gap come first.
    let before: u64 =
        parts.ranges.iter().filter(|range| range.last < gap.first).map(|range| range.length()).sum();
    let (before, after) = stored.split_at_checked(usize::try_from(before).ok()?)?;
    Some(Filling { before: before.to_vec(), after: after.to_vec(), parts, stored: stored.clone() })
}
