//! The webhook routes, generated for the caller and for an organisation.

use axum::{Json, http::StatusCode, response::Response};

use super::{DeliveriesQuery, Hook, HookChange, HookDelivery, HookWithSecret, NewHook, Sent};
use crate::{
    api::{
        callers::{Of, Own},
        extract::{Body, Path, Query},
        paging::{ListQuery, ListUrl, Pages},
        paths::{DeliveryPath, HookPath, OrganisationPath},
    },
    error::ApiError,
};

/// `$base` is the path of the list, `$whose` completes "the webhooks of", `$of` says whose they are and makes sure that the caller
/// may administer them, `$owner` is what of the path names them. Then the names of the operations, which are those of the forges
/// where these have them.
macro_rules! hooks {
    (
        $module:ident, $base:literal, $whose:literal, $of:ty, [$($owner:ident,)?],
        $list:literal, $add:literal, $show:literal, $change:literal, $remove:literal, $deliveries:literal, $test:literal, $redeliver:literal
    ) => {
        pub(crate) mod $module {
            use super::*;
            use super::super as hooks;

            #[utoipa::path(
                get, path = concat!($base), tag = "webhooks", operation_id = $list,
                summary = concat!("List the webhooks of ", $whose),
                params($($owner,)? ListQuery),
                responses((status = 200, description = "The webhooks", body = Vec<Hook>))
            )]
            pub(crate) async fn list(
                of: $of,
                pages: Pages,
            ) -> Result<Response, ApiError> {
                hooks::list(&of, &pages).await
            }

            #[utoipa::path(
                post, path = concat!($base), tag = "webhooks", operation_id = $add,
                summary = concat!("Add a webhook for ", $whose),
                description = "A token also needs the scope `read:package`.",
                params($($owner)?),
                request_body = NewHook,
                responses((status = 201, description = "The webhook", body = HookWithSecret))
            )]
            pub(crate) async fn add(
                of: $of,
                Body(new): Body<NewHook>,
            ) -> Result<(StatusCode, Json<HookWithSecret>), ApiError> {
                hooks::add(&of, new).await
            }

            #[utoipa::path(
                get, path = concat!($base, "/{id}"), tag = "webhooks", operation_id = $show,
                summary = concat!("Show a webhook of ", $whose),
                params($($owner,)? HookPath),
                responses((status = 200, description = "The webhook", body = Hook))
            )]
            pub(crate) async fn show(
                of: $of,
                Path(hook): Path<HookPath>,
            ) -> Result<Json<Hook>, ApiError> {
                hooks::show(&of, &hook).await
            }

            #[utoipa::path(
                patch, path = concat!($base, "/{id}"), tag = "webhooks", operation_id = $change,
                summary = concat!("Change a webhook of ", $whose),
                description = "A token also needs the scope `read:package` to change the URL.",
                params($($owner,)? HookPath),
                request_body = HookChange,
                responses((status = 200, description = "The webhook", body = HookWithSecret))
            )]
            pub(crate) async fn change(
                of: $of,
                Path(hook): Path<HookPath>,
                Body(order): Body<HookChange>,
            ) -> Result<Json<HookWithSecret>, ApiError> {
                hooks::change(&of, &hook, order).await
            }

            #[utoipa::path(
                delete, path = concat!($base, "/{id}"), tag = "webhooks", operation_id = $remove,
                summary = concat!("Delete a webhook of ", $whose),
                params($($owner,)? HookPath),
                responses((status = 204, description = "The webhook is gone, with what was pending for it"))
            )]
            pub(crate) async fn remove(
                of: $of,
                Path(hook): Path<HookPath>,
            ) -> Result<StatusCode, ApiError> {
                hooks::remove(&of, &hook).await
            }

            #[utoipa::path(
                get, path = concat!($base, "/{id}/deliveries"), tag = "webhooks", operation_id = $deliveries,
                summary = concat!("List the messages to a webhook of ", $whose),
                description = "Newest first: what is pending, and what was finished lately.",
                params($($owner,)? HookPath, DeliveriesQuery),
                responses((status = 200, description = "The messages", body = Vec<HookDelivery>))
            )]
            pub(crate) async fn deliveries(
                of: $of,
                Path(hook): Path<HookPath>,
                Query(query): Query<DeliveriesQuery>,
                url: ListUrl,
            ) -> Result<Response, ApiError> {
                hooks::deliveries(&of, &hook, &query, url).await
            }

            #[utoipa::path(
                post, path = concat!($base, "/{id}/tests"), tag = "webhooks", operation_id = $test,
                summary = concat!("Test a webhook of ", $whose),
                params($($owner,)? HookPath),
                responses((status = 201, description = "The message is on its way", body = Sent))
            )]
            pub(crate) async fn test(
                of: $of,
                Path(hook): Path<HookPath>,
            ) -> Result<(StatusCode, Json<Sent>), ApiError> {
                hooks::test(&of, &hook).await
            }

            #[utoipa::path(
                post, path = concat!($base, "/{id}/deliveries/{delivery}/redeliver"), tag = "webhooks", operation_id = $redeliver,
                summary = concat!("Redeliver a message to a webhook of ", $whose),
                params($($owner,)? HookPath, DeliveryPath),
                responses((status = 201, description = "The message is on its way", body = Sent))
            )]
            pub(crate) async fn redeliver(
                of: $of,
                Path(hook): Path<HookPath>,
                Path(delivery): Path<DeliveryPath>,
            ) -> Result<(StatusCode, Json<Sent>), ApiError> {
                hooks::redeliver(&of, &hook, &delivery).await
            }
        }
    };
}

hooks! {
    own, "/api/v1/user/hooks", "the caller", Own, [],
    "userListHooks", "userCreateHook", "userGetHook", "userEditHook", "userDeleteHook", "userListHookDeliveries", "userTestHook", "userRedeliverHook"
}

hooks! {
    organisation, "/api/v1/orgs/{org}/hooks", "an organisation", Of<OrganisationPath>, [OrganisationPath,],
    "orgListHooks", "orgCreateHook", "orgGetHook", "orgEditHook", "orgDeleteHook", "orgListHookDeliveries", "orgTestHook", "orgRedeliverHook"
}
