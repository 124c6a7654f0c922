//! Indexes into the lists of a plan. Each is of one kind: a service's cannot be used where an endpoint's is asked for.

macro_rules! index {
    ($(#[doc = $doc:literal])+ $name:ident) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(usize);

        impl $name {
            /// The one at this place, from 0.
            pub const fn new(place: usize) -> Self {
                Self(place)
            }

            /// The place, from 0.
            pub const fn get(self) -> usize {
                self.0
            }
        }
    };
}

index! {
    /// Which listener of a plan.
    ListenerIndex
}

index! {
    /// Which service of a plan.
    ServiceIndex
}

index! {
    /// Which endpoint of a service.
    EndpointIndex
}
