//! What lies in the store: the envelope of a value.
