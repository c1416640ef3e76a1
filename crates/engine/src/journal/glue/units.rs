//! Units of every kind, and what the log makes of them.

use super::super::storage::crash::Machine;
use super::super::{Fsync, Sequence};
use super::{Stage, clock};
use crate::reply::Reply;

/// A unit that notes a change although nothing is different afterwards.
fn change_nothing(stage: &Stage) -> Sequence {
    let mut core = stage.engine().shared().lock();
    core.noted(0, b"no such key");
    core.settle();
    core.sequence()
}

#[test]
fn an_image_does_not_wait_for_units_that_left_nothing_to_write() {
    let machine = Machine::new(1);
    for fsync in [Fsync::Always, Fsync::EverySecond, Fsync::Never] {
        let mut stage = Stage::on(machine.clone(), fsync, clock());
        stage.client.ask("SET key value");
        stage.writer.keep();
        let before = stage.writer.directory.log().last();
        let reached = change_nothing(&stage);
        assert!(reached.0 > before);
        stage.take_image().unwrap();
        // Nobody waits for such a unit for ever.
        assert_eq!(stage.engine().shared().progress().unwrap().durable(), reached);
        // Now the image sees one that begins after it.
        let reached = change_nothing(&stage);
        stage.take_image().unwrap();
        assert!(reached <= stage.engine().shared().progress().unwrap().durable());
        machine.kill();
        let stage = Stage::on(machine.clone(), fsync, clock());
        assert_eq!(stage.client.ask("GET key"), Reply::bulk("value"));
        machine.kill();
    }
}

#[test]
fn a_unit_that_left_nothing_to_write_while_an_image_is_taken_does_not_stop_it() {
    let mut stage = Stage::new(Fsync::Always);
    stage.client.ask("SET key value");
    stage.writer.keep();
    let image = stage.begin_image();
    change_nothing(&stage);
    let taken = super::finish(image);
    stage.adopt(taken).unwrap();
}
