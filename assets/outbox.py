"""dispatch: the outbox carried out, one asset per receiver, so that a receiver that hangs holds up none of the others.

No lock of the lake is held while on the wire; sending is at least once, the effect is once (orderpipe/dispatch).
"""

from dagster import AssetExecutionContext, AssetsDefinition, Failure, MaterializeResult, asset

from assets.decision import INSTRUCTIONS
from assets.lineage import OWNERS
from assets.resources import Hub

RECEIVERS = {
    "wms": ("仓库 WMS", "qimen"),
    "courier": ("快递面单", "kuaidi100"),
    "platforms": ("各平台（上下架、发货回传）", "shops"),
    "dingtalk": ("钉钉群", "dingtalk"),
}

_COUNTS = ("sent", "acknowledged", "rejected", "too_late", "retry", "dead", "intercepted", "pending_left")


def _sender(receiver: str) -> AssetsDefinition:
    title, kind = RECEIVERS[receiver]

    @asset(
        key=["dispatch", receiver],
        deps=[INSTRUCTIONS],
        group_name="dispatch",
        kinds={"api", kind},
        owners=OWNERS,
        pool=f"dispatch_{receiver}",
        description=f"发送到{title} · Sends what is due to {receiver}; every attempt is in `outbox.attempts`.",
    )
    def send(context: AssetExecutionContext, hub: Hub) -> MaterializeResult:
        configured = hub.settings.receivers.get(receiver)  # the platforms are configured shop by shop
        if configured and configured.problem:
            raise Failure(configured.problem, allow_retries=False)
        with hub.stage(f"dispatch {receiver}") as run:
            from orderpipe import flow

            report = flow.dispatch(run, receiver)
        if report.error:
            context.log.warning(report.error)
        return MaterializeResult(metadata={name: getattr(report, name) for name in _COUNTS})

    return send


senders = [_sender(receiver) for receiver in RECEIVERS]
