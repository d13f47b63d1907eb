//! What the derived OpenAPI schemas cannot say by themselves: types that the caller of this crate brings are named, not copied.

use utoipa::ToSchema;
use utoipa::openapi::schema::{Array, OneOf, Type};
use utoipa::openapi::{Object, ObjectBuilder, Ref, RefOr, Schema};

fn reference<T: ToSchema>() -> Ref {
    Ref::from_schema_name(T::name())
}

fn described(reference: Ref, description: &str) -> Ref {
    let mut reference = reference;
    description.clone_into(&mut reference.description);
    reference
}

fn optional<T: ToSchema>(description: &str) -> RefOr<Schema> {
    let null: Object = ObjectBuilder::new().schema_type(Type::Null).build();
    let mut one_of = OneOf::new();
    one_of.items = vec![RefOr::T(Schema::Object(null)), RefOr::Ref(described(reference::<T>(), description))];
    RefOr::T(Schema::OneOf(one_of))
}

pub(crate) fn within<T: ToSchema>() -> RefOr<Schema> {
    optional::<T>(
        "Only records in this part of the graph, as it is now: a neighbourhood, a subtree, a set of layers. Not with `version`.",
    )
}

pub(crate) fn expand<T: ToSchema>() -> RefOr<Schema> {
    optional::<T>("Also records that hits lead to along links. Not with `version`, `offset`, `group` and `diversity`.")
}

pub(crate) fn via<T: ToSchema>() -> RefOr<Schema> {
    optional::<T>("The links along which it was come by; absent for what the query itself found with a score as high.")
}

pub(crate) fn record<T: ToSchema>() -> RefOr<Schema> {
    RefOr::Ref(described(reference::<T>(), "The record itself."))
}

pub(crate) fn hits<T: ToSchema>() -> RefOr<Schema> {
    list::<T>("Best first; equal scores in the order of their keys.")
}

pub(crate) fn records<T: ToSchema>() -> RefOr<Schema> {
    list::<T>("The records.")
}

fn list<T: ToSchema>(description: &str) -> RefOr<Schema> {
    let mut array = Array::new(reference::<T>());
    array.description = Some(description.to_owned());
    RefOr::T(Schema::Array(array))
}
