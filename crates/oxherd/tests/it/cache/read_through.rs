//! A namespace that knows its loader loads for whom it is asked.

use std::convert::Infallible;

use oxherd::Error;

use crate::scene::on_every_store_and_valkey;

async fn row(tenant: String, id: u64) -> Result<String, Infallible> {
    Ok(format!("row {id} of {tenant}"))
}

on_every_store_and_valkey! {
    async fn each_tenant_has_its_own_row_loaded(scene: Scene) {
        let cache = scene.oxherd.cache();
        let rows = cache.namespace::<u64, String>("rows").read_through_tenants(row).unwrap();
        for tenant in ["acme", "globex", "acme"] {
            let rows = rows.tenant(tenant).unwrap();
            assert_eq!(*rows.get(&1).await.unwrap(), format!("row 1 of {tenant}"));
            assert_eq!(rows.warm_up([1, 2]).await.warm, 2);
            assert_eq!(rows.namespace().get(&2).await.unwrap().unwrap().as_str(), format!("row 2 of {tenant}"));
        }
        assert!(rows.namespace().get(&1).await.unwrap().is_none());
        assert!(matches!(rows.tenant("a:b"), Err(Error::CacheName { what: "tenant", .. })));
    }
}
