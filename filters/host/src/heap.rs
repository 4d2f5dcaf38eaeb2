//! The heap of a module: small blocks are kept by size and used again.
//!
//! # Why
//!
//! A request allocates and frees a few dozen small blocks, always of the same sizes. The C library's allocator takes about 200
//! instructions for each pair, a quarter of all that a filter executes. A list of free blocks for each size takes a tenth.
//!
//! # How
//!
//! Sizes are rounded up to steps of 16 bytes. A block that is freed goes to the front of its size's list, its first bytes
//! naming the next; a block that is wanted comes from there, or from the C library if the list is empty. What is larger
//! than 1 KiB, or aligned to more than 16 bytes, always comes from the C library.
//!
//! # Limits
//!
//! A block on a list serves only its own size: each list keeps as much as was ever in use of that size at once. A VM's memory
//! never shrinks in any case. A VM has one thread; the lists are not for more.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;
use core::ptr::{copy_nonoverlapping, null_mut};
use std::alloc::System;

/// Blocks are multiples of this, and aligned to it.
const STEP: usize = 16;
/// How many sizes have a list.
const SIZES: usize = 64;

/// The allocator; in a module, the only one of its type.
#[derive(Debug)]
pub(crate) struct Heap {
    free: [Cell<*mut u8>; SIZES],
}

// SAFETY: a module of the proxy has one thread; elsewhere a heap is used by the test that makes it.
unsafe impl Sync for Heap {}

impl Heap {
    pub(crate) const fn new() -> Self {
        Self { free: [const { Cell::new(null_mut()) }; SIZES] }
    }

    /// The list for blocks of this layout, and the layout that its blocks have.
    #[inline]
    fn list(&self, layout: Layout) -> Option<(&Cell<*mut u8>, Layout)> {
        if layout.align() > STEP {
            return None;
        }
        let steps = layout.size().div_ceil(STEP);
        let list = self.free.get(steps.checked_sub(1)?)?;
        Some((list, Layout::from_size_align(steps * STEP, STEP).ok()?))
    }
}

// SAFETY: a block comes from the system with at least the size and alignment that were asked for, and is on a list only while
// nobody owns it. Whether a layout has a list depends on nothing but the layout, so blocks go back to where they came from.
unsafe impl GlobalAlloc for Heap {
    // Not inlined: there are hundreds of places that allocate.
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some((list, rounded)) = self.list(layout) else {
            // SAFETY: the caller's promise.
            return unsafe { System.alloc(layout) };
        };
        let block = list.get();
        if block.is_null() {
            // SAFETY: the rounded layout is not empty.
            return unsafe { System.alloc(rounded) };
        }
        // SAFETY: a block on the list is ours, large enough for a pointer, and its first bytes name the next one.
        list.set(unsafe { block.cast::<*mut u8>().read() });
        block
    }

    #[inline(never)]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some((list, _)) = self.list(layout) else {
            // SAFETY: the caller's promise; blocks without a list come from the system.
            return unsafe { System.dealloc(block, layout) };
        };
        // SAFETY: the caller gives the block up, which is large enough for a pointer and aligned for one.
        unsafe { block.cast::<*mut u8>().write(list.get()) };
        list.set(block);
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the size does not overflow with this alignment.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (self.list(layout), self.list(wanted)) {
            // SAFETY: the caller's promise, and the block is the system's.
            (None, None) => return unsafe { System.realloc(block, layout, size) },
            (Some((_, had)), Some((_, needs))) if had == needs => return block,
            _ => {}
        }
        // SAFETY: the caller's promise: the size is not zero.
        let moved = unsafe { self.alloc(wanted) };
        if !moved.is_null() {
            // SAFETY: both blocks are at least as large as the smaller size, and are not the same.
            unsafe { copy_nonoverlapping(block, moved, layout.size().min(size)) };
            // SAFETY: the block is the caller's, of this layout, and is not used any more.
            unsafe { self.dealloc(block, layout) };
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    /// A block of this layout, all of it written.
    fn block(heap: &Heap, layout: Layout) -> *mut u8 {
        // SAFETY: no size here is zero, and the block is as large as was asked.
        unsafe {
            let block = heap.alloc(layout);
            assert!(!block.is_null());
            assert_eq!(block.align_offset(layout.align()), 0, "{layout:?}");
            block.write_bytes(0xa5, layout.size());
            block
        }
    }

    fn free(heap: &Heap, block: *mut u8, layout: Layout) {
        // SAFETY: callers pass each block once, with its own layout.
        unsafe { heap.dealloc(block, layout) };
    }

    #[test]
    fn a_freed_block_serves_the_next_one_of_its_size() {
        let heap = Heap::new();
        let (small, alike, other) = (layout(17, 1), layout(32, 8), layout(33, 1));
        let first = block(&heap, small);
        let second = block(&heap, small);
        free(&heap, first, small);
        free(&heap, second, small);
        assert_ne!(block(&heap, other), first, "another size");
        assert_eq!(block(&heap, alike), second, "the last one freed comes first");
        assert_eq!(block(&heap, small), first);
        assert_ne!(block(&heap, small), second, "nobody gets what somebody has");
    }

    #[test]
    fn every_size_and_alignment_is_served() {
        let heap = Heap::new();
        let mut live = Vec::new();
        for round in 0..3 {
            for size in [1, 15, 16, 17, 1_008, 1_009, 1_024, 1_025, 70_000] {
                for align in [1, 8, 16, 64] {
                    live.push((block(&heap, layout(size, align)), layout(size, align)));
                }
            }
            for (at, layout) in live.drain(..).rev().skip(round) {
                free(&heap, at, layout);
            }
        }
    }

    #[test]
    fn a_block_that_grows_or_shrinks_keeps_what_is_in_it() {
        let heap = Heap::new();
        for (from, to) in [(3, 9), (9, 40), (40, 2_000), (2_000, 5_000), (5_000, 100), (100, 97), (97, 1)] {
            let before = block(&heap, layout(from, 1));
            // SAFETY: the block is of this layout, and the new size is not zero.
            let after = unsafe { heap.realloc(before, layout(from, 1), to) };
            for at in 0..from.min(to) {
                // SAFETY: within both sizes.
                assert_eq!(unsafe { after.add(at).read() }, 0xa5, "{from} to {to}, byte {at}");
            }
            free(&heap, after, layout(to, 1));
        }
    }
}
