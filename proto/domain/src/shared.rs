//! What is shared in memory, written as what it is: serde's own way for `Arc` is a feature that would change every
//! crate of the build. Called by serde, for the parts of a [`crate::state::State`].

/// One.
pub(crate) mod one {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<T: Serialize, S: Serializer>(shared: &Arc<T>, out: S) -> Result<S::Ok, S::Error> {
        T::serialize(shared, out)
    }

    pub(crate) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Arc<T>, D::Error> {
        T::deserialize(from).map(Arc::new)
    }
}

/// A list.
pub(crate) mod list {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<T: Serialize, S: Serializer>(list: &[Arc<T>], out: S) -> Result<S::Ok, S::Error> {
        out.collect_seq(list.iter().map(AsRef::as_ref))
    }

    pub(crate) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<Arc<T>>, D::Error> {
        Ok(Vec::deserialize(from)?.into_iter().map(Arc::new).collect())
    }
}

/// The values of a map.
pub(crate) mod values {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<K: Serialize, T: Serialize, S: Serializer>(
        map: &BTreeMap<K, Arc<T>>,
        out: S,
    ) -> Result<S::Ok, S::Error> {
        out.collect_map(map.iter().map(|(key, value)| (key, value.as_ref())))
    }

    pub(crate) fn deserialize<'de, K: Ord + Deserialize<'de>, T: Deserialize<'de>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<BTreeMap<K, Arc<T>>, D::Error> {
        let map = BTreeMap::<K, T>::deserialize(from)?;
        Ok(map.into_iter().map(|(key, value)| (key, Arc::new(value))).collect())
    }
}
