//! How much a slice has told, and how much it still may.

use crate::effect::Effect;

/// What an effect costs beside its bytes, so that many small ones fill a slice too.
const EFFECT: usize = 32;
/// What a key costs that is passed over.
const PASSED: usize = 8;

/// Gathers effects until they are handed over, and counts them.
pub(super) struct Meter<'data, 'call> {
    left: usize,
    effects: Vec<Effect<'data>>,
    emit: &'call mut dyn FnMut(&[Effect<'_>]),
}

impl<'data, 'call> Meter<'data, 'call> {
    pub(super) fn new(budget: usize, emit: &'call mut dyn FnMut(&[Effect<'_>])) -> Self {
        Self {
            left: budget.max(1),
            effects: Vec::new(),
            emit,
        }
    }

    /// Whether nothing more is to be told in this slice.
    pub(super) fn is_full(&self) -> bool {
        self.left == 0
    }

    /// The bytes that may still be told.
    pub(super) fn left(&self) -> usize {
        self.left
    }

    pub(super) fn push(&mut self, effect: Effect<'data>) {
        self.left = self.left.saturating_sub(EFFECT + bytes(&effect));
        self.effects.push(effect);
    }

    /// A key was looked at in vain.
    pub(super) fn pass(&mut self) {
        self.left = self.left.saturating_sub(PASSED);
    }

    pub(super) fn hand_over(&mut self) {
        if !self.effects.is_empty() {
            (self.emit)(&self.effects);
            self.effects.clear();
        }
    }
}

/// The bytes of names and values.
fn bytes(effect: &Effect<'_>) -> usize {
    use crate::effect::ValueKind;
    match effect {
        Effect::Key { name, .. } | Effect::Group { name, .. } => name.len(),
        Effect::Value {
            kind: ValueKind::String(bytes),
            ..
        }
        | Effect::Bytes { bytes, .. } => bytes.len(),
        Effect::Field { field, value, .. } => field.len() + value.map_or(0, <[u8]>::len),
        Effect::Member { member, .. } => member.len(),
        Effect::Score { member, .. } => member.len(),
        Effect::Chunk { items, .. } => items.iter().flatten().map(|item| item.len()).sum(),
        Effect::Entry { fields, .. } => {
            let fields = fields.iter().flatten();
            fields.map(|(name, value)| name.len() + value.len()).sum()
        }
        Effect::Consumer { group, name, .. } => group.len() + name.len(),
        Effect::Pending { group, state, .. } => group.len() + state.map_or(0, |state| state.consumer.len()),
        _ => 0,
    }
}
