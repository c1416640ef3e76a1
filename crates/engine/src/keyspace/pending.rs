//! Temporary.
macro_rules! pending {
    ($($name:ident)*) => {$(
        #[derive(Clone, Debug)]
        pub(crate) struct $name;
        impl $name {
            pub(crate) fn new(_track: bool) -> Self { Self }
            pub(crate) fn is_empty(&self) -> bool { true }
            pub(crate) fn memory(&self) -> usize { 0 }
            pub(crate) fn encoding(&self) -> &'static str { "" }
        }
    )*};
}
pending!(List Hash Set SortedSet);
