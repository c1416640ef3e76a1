//! Giving the store what was loaded, and what it says to that.
//!
//! The script decides under the lease's token, and against the fence and the stamps; this only asks, and reads the answer.
//! Next: `lua/cache/fill.lua`, `docs/design/cache.md` ("Loading").

use super::lease::Tenure;
use super::millis;
use crate::cache::batch::Place;
use crate::cache::key::KeyText;
use crate::cache::settings::Level;
use crate::cache::shared::Trouble;
use crate::cache::space::{Call, Site, Space};
use crate::cache::stats::FillRefusal;
use crate::cache::value::Header;
use crate::error::Result;
use crate::store::CACHE_FILL;

/// Why the store did not take a value.
pub(super) struct Refused {
    pub(super) refusal: FillRefusal,
    /// The version that it is below.
    pub(super) fence: Option<u64>,
}

impl Refused {
    const fn by(refusal: FillRefusal) -> Self {
        Self { refusal, fence: None }
    }
}

impl Site {
    /// `None`: it was taken.
    pub(super) async fn fill(
        &self,
        key: &KeyText,
        call: &Call,
        header: &Header,
        entry: &[u8],
        tenure: &Tenure,
    ) -> Result<Option<Refused>, Trouble> {
        let space = &self.space;
        if space.settings.level == Level::Fenced && header.version == 0 {
            self.release(key, tenure).await;
            return Ok(Some(Refused::by(FillRefusal::Fenced)));
        }
        let life = header.ttl + header.stale_while_revalidate.max(header.stale_if_error);
        let (stamp_life, stamp_least) = space.settings.stamp_life(life);
        let mut question = CACHE_FILL.call(space.keys.prefix());
        question
            .arg(key.as_bytes())
            .arg(tenure.token)
            .arg(&tenure.incarnation[..])
            .arg(tenure.as_of)
            .arg(&header.version.to_be_bytes()[..])
            .arg(entry)
            .arg(millis(life))
            .arg(millis(stamp_life))
            .arg(millis(stamp_least))
            .arg(&self.shared.prefix);
        for stamp in Space::stamps(&call.tenant, header.tags.iter().map(|tag| &**tag)) {
            question.arg(stamp);
        }
        let _turn = Place::turn(call.batch.as_ref()).await;
        let (answer, written): (String, u8) = self.run(&CACHE_FILL, &question).await?;
        self.wrote(written, &call.tenant, header.tags.iter().map(|tag| &**tag));
        let refusal = match answer.as_str() {
            "taken" => return Ok(None),
            "cleared" => FillRefusal::Cleared,
            "invalidated" => FillRefusal::Tagged,
            "marked" => FillRefusal::Marked,
            other => match other.strip_prefix("outdated ") {
                None => FillRefusal::Voided,
                Some(fence) => {
                    return Ok(Some(Refused {
                        refusal: FillRefusal::Fenced,
                        fence: u64::from_str_radix(fence, 16).ok(),
                    }));
                }
            },
        };
        Ok(Some(Refused::by(refusal)))
    }
}
