//! Whatever is done, and wherever power is lost or the process ends, nothing acknowledged is missing.

use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};

use super::scene::{Scene, Step, steps};

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn everything_acknowledged_is_there_after_any_death(steps in steps(), seed in any::<u64>()) {
        prop_assert_eq!(Scene::new(seed).run(&steps), Ok(()));
    }
}

/// Much of everything, in an order that reaches all of it.
pub(super) const TOUR: &[Step] = &[
    Step::Append {
        units: 3,
        length: 700,
    },
    Step::Append { units: 1, length: 10 },
    Step::Sync,
    Step::Append {
        units: 1,
        length: 2_000,
    },
    Step::BeginImage,
    Step::Append {
        units: 2,
        length: 600,
    },
    Step::Slice { length: 1_500 },
    Step::Sync,
    Step::Slice { length: 40 },
    Step::Append { units: 1, length: 0 },
    Step::Adopt,
    Step::Append {
        units: 1,
        length: 900,
    },
    Step::RemoveOutdated,
    Step::Sync,
    Step::Mark,
    Step::Append { units: 5, length: 30 },
    Step::BeginImage,
    Step::Slice { length: 10 },
    Step::GiveImageUp,
    Step::Append {
        units: 1,
        length: 1_100,
    },
    Step::Sync,
    Step::BeginImage,
    Step::Append {
        units: 1,
        length: 100,
    },
    Step::Adopt,
    Step::RemoveOutdated,
    Step::Append {
        units: 1,
        length: 100,
    },
    Step::Sync,
];

#[test]
fn power_may_be_lost_at_every_call() {
    let mut scene = Scene::new(0);
    scene.open().unwrap();
    TOUR.iter().for_each(|step| scene.work(*step).unwrap());
    let calls = scene.machine.calls(None);
    assert!(calls > 60, "{calls}");

    for after in 0..calls {
        for seed in 0..40 {
            let mut scene = Scene::new(seed);
            let outcome = scene.run(&[&[Step::DieSoon { after }], TOUR].concat());
            assert_eq!(outcome, Ok(()), "call {after}, seed {seed}");
        }
    }
}
