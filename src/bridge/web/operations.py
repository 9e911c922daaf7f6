"""Routes for whoever operates the server."""

from __future__ import annotations

from fastapi import APIRouter

from bridge.session.directory import Directory


def operations_router(*, directory: Directory, version: str) -> APIRouter:
    """``/healthz``; open to everybody and says nothing about anybody."""
    router = APIRouter(tags=["operations"])

    @router.get("/healthz", summary="Whether the server is alive")
    async def healthz() -> dict[str, object]:
        return {
            "status": "draining" if directory.is_draining else "ok",
            "version": version,
            "calls": len(directory),
        }

    return router
