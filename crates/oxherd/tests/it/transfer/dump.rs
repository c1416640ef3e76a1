//! Files: what stands in them, and what is refused.

use oxherd::{DumpFormat, Error, Transfer, TransferReport};

use super::as_dumped;
use crate::scene::{Scene, on_every_store};

async fn dumped(scene: &Scene, format: DumpFormat) -> Vec<u8> {
    let mut file = Vec::new();
    let dump = Transfer::new().dump(scene.oxherd.store(), format, &mut file);
    assert!(dump.await.unwrap().is_faithful());
    file
}

async fn load(scene: &Scene, file: &[u8]) -> oxherd::Result<TransferReport> {
    Transfer::new().load(file, None, scene.oxherd.store()).await
}

/// The fault of a file, and how many keys were written before.
async fn refused(scene: &Scene, file: &[u8]) -> (u64, String) {
    match load(scene, file).await.unwrap_err() {
        Error::TransferStopped { written, source } => (written, source.to_string()),
        error => panic!("{error}"),
    }
}

async fn with_one_of_each(scene: &Scene) {
    for command in [
        "SET a:string hello",
        "HSET b:hash f v",
        "RPUSH c:list x y",
        "SADD d:set m",
        "ZADD e:zset 1.5 m inf n",
        "XADD f:stream 1-0 f v",
        "XADD f:stream 2-0 g w",
        "XGROUP CREATE f:stream readers 0",
        "XREADGROUP GROUP readers ann COUNT 1 STREAMS f:stream >",
        "PEXPIREAT c:list 9999999999999",
    ] {
        scene.tell(command).await;
    }
    let binary: &[u8] = b"\xff\x00";
    scene
        .try_ask::<redis::Value>(&[b"SET", binary, b"v"])
        .await
        .unwrap();
}

on_every_store! {
    async fn json_lines_are_as_documented(scene: Scene) {
        with_one_of_each(&scene).await;
        let file = String::from_utf8(dumped(&scene, DumpFormat::Jsonl).await).unwrap();
        let lines: Vec<&str> = file.lines().collect();
        assert_eq!(lines[..5], [
            r#"{"key":"a:string","type":"string","value":"hello"}"#,
            r#"{"key":"b:hash","type":"hash","value":[["f","v"]]}"#,
            r#"{"key":"c:list","type":"list","expires_at":9999999999999,"value":["x","y"]}"#,
            r#"{"key":"d:set","type":"set","value":["m"]}"#,
            r#"{"key":"e:zset","type":"zset","value":[["m",1.5],["n","inf"]]}"#,
        ]);
        let start = r#"{"key":"f:stream","type":"stream","value":{"entries":[["1-0",[["f","v"]]],["2-0",[["g","w"]]]],"groups":[{"name":"readers","last_delivered_id":"1-0","entries_read":1,"consumers":["ann"],"pending":[["1-0","ann","#;
        assert!(lines[5].starts_with(start), "{}", lines[5]);
        assert!(lines[5].ends_with(r#",1]]}],"last_id":"2-0","entries_added":2,"max_deleted_id":"0-0"}}"#), "{}", lines[5]);
        assert_eq!(lines[6], r#"{"key":{"base64":"/wA="},"type":"string","value":"v"}"#);
        assert_eq!(lines[7..], [r#"{"end":7}"#]);
    }
}

on_every_store! {
    async fn a_dump_that_was_cut_off_anywhere_writes_no_key_in_part(scene: Scene) {
        with_one_of_each(&scene).await;
        let original = as_dumped(&scene).await;
        for format in [DumpFormat::Resp, DumpFormat::Jsonl] {
            let file = dumped(&scene, format).await;
            for length in (0..file.len()).step_by(7) {
                scene.tell("FLUSHALL").await;
                let (written, _) = refused(&scene, &file[..length]).await;
                let now = as_dumped(&scene).await;
                assert_eq!(now.len() as u64, written);
                assert!(now.iter().all(|(key, value)| original.get(key) == Some(value)), "{length}: {now:?}");
                assert_eq!(scene.ask::<u64>(&["DBSIZE"]).await, written, "no temporary key stays");
            }
            scene.tell("FLUSHALL").await;
            assert_eq!(load(&scene, &file).await.unwrap().written(), 7);
            assert_eq!(as_dumped(&scene).await, original);
        }
    }
}

on_every_store! {
    async fn garbage_is_refused_by_line_and_leaves_what_stood_before(scene: Scene) {
        let good = r#"{"key":"good","type":"string","value":"v"}"#;
        for (line, fault) in [
            ("nonsense", "invalid dump at line 2: expected ident (column 2)"),
            (r#"{"key":"k","type":"string"}"#, "invalid dump at line 2: a line has `key`"),
            (r#"{"key":"k","type":"string","value":"v","more":1}"#, "unknown field `more`"),
            (r#"{"key":"k","type":"tree","value":"v"}"#, "unknown type \"tree\"; known are string, hash"),
            (r#"{"key":"k","type":"list","value":"v"}"#, "value of a list: invalid type"),
            (r#"{"key":"k","type":"list","value":[]}"#, "value of a list: is empty"),
            (r#"{"key":"k","type":"list","value":[7]}"#, "a string or {\"base64\": \"...\"} is expected"),
            (r#"{"key":"k","type":"hash","value":[["f"]]}"#, "value of a hash: invalid length 1"),
            (r#"{"key":"k","type":"zset","value":[["m","nan"]]}"#, "\"nan\" is no score"),
            (r#"{"key":"k","type":"zset","value":[["m",1e999]]}"#, "1e999 is no score"),
            (r#"{"key":{"base64":"?"},"type":"string","value":"v"}"#, "\"?\" is no base64"),
            (r#"{"key":"k","type":"stream","value":{"entries":[["1",[["f","v"]]]],"groups":[],"last_id":"1-0","entries_added":1,"max_deleted_id":"0-0"}}"#, "\"1\" is no entry's id"),
            (r#"{"key":"k","type":"stream","value":{"entries":[["2-0",[["f","v"]]],["1-0",[["f","v"]]]],"groups":[],"last_id":"2-0","entries_added":2,"max_deleted_id":"0-0"}}"#, "write key \"k\" of line 2"),
            (good, "cannot write key \"good\""),
        ] {
            scene.tell("FLUSHALL").await;
            let (written, told) = refused(&scene, format!("{good}\n{line}\n{{\"end\":2}}\n").as_bytes()).await;
            assert_eq!(written, 1, "{line}: {told}");
            assert!(told.contains(fault), "{line}: {told}");
            assert_eq!(scene.contents().await.into_keys().collect::<Vec<_>>(), ["good"], "{line}");
        }
    }
}

on_every_store! {
    async fn only_commands_of_a_dump_are_run(scene: Scene) {
        scene.tell("SET kept v").await;
        let before = scene.contents().await;
        for (file, fault) in [
            (&b"*1\r\n$8\r\nFLUSHALL\r\n"[..], "byte 0: FLUSHALL with 0 words is not what a dump holds"),
            (b"*2\r\n$3\r\nDEL\r\n$4\r\nkept\r\n", "byte 0: the commands of this key are not complete"),
            (b"*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n*2\r\n$7\r\nPERSIST\r\n$1\r\nk\r\n", "byte 20: nothing gives this key a value"),
            (b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n", "byte 0: a key's commands begin with DEL"),
            (b"*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n*3\r\n$3\r\nSET\r\n$1\r\nl\r\n$1\r\nv\r\n", "byte 20: another key"),
            (b"*2\r\n$3\r\nDEL\r\n$9\r\nk\r\n", "in the middle of a command"),
            (b"*2\r\n$3\r\nDELETE\r\n$1\r\nk\r\n", "byte 8: a word of 3 bytes does not end there"),
            (b"*9999999999\r\n", "byte 0: * and a number up to 1048576"),
            (b"*2\r\n+DEL\r\n", "byte 4: $ and a number"),
            (b"SET k v\r\n", "its beginning: neither JSON lines nor Redis commands"),
            (b"", "its beginning: the file is empty"),
        ] {
            let (written, told) = refused(&scene, file).await;
            assert_eq!(written, 0);
            assert!(told.contains(fault), "{told}");
            scene.assert_unchanged(&before, fault).await;
        }
    }
}

on_every_store! {
    async fn a_filtered_dump_is_taken_when_asked_for(scene: Scene) {
        let line = "{\"key\":\"k\",\"type\":\"string\",\"value\":\"v\"}\n";
        let (written, told) = refused(&scene, line.as_bytes()).await;
        assert_eq!((written, told.as_str()), (1, "invalid dump at its end: there is no end mark: the dump was cut off, or filtered"));
        let (_, told) = refused(&scene, b"{\"end\":3}\n").await;
        assert_eq!(told, "invalid dump at its end: the end mark promises 3 keys, but 0 were read");
        let load = Transfer::new().with_partial(true).with_replacing(true);
        let report = load.load(line.as_bytes(), Some(DumpFormat::Jsonl), scene.oxherd.store()).await.unwrap();
        assert_eq!(report.written(), 1);
    }
}
