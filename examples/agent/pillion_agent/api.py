"""The agent's endpoints. No logging, no metrics, no file: sidecars and `telemetry` see to that."""

from __future__ import annotations

from typing import Protocol

from fastapi import FastAPI
from pydantic import BaseModel, Field

from pillion_agent.model import Label, Prediction


class Model(Protocol):
    def predict(self, text: str) -> Prediction: ...


class InferenceRequest(BaseModel):
    text: str = Field(min_length=1, max_length=10_000)


class InferenceResponse(BaseModel):
    label: Label
    score: float


def build_api(model: Model) -> FastAPI:
    api = FastAPI(title="pillion agent", openapi_url=None)

    @api.post("/inference")
    def infer(request: InferenceRequest) -> InferenceResponse:
        prediction = model.predict(request.text)
        return InferenceResponse(label=prediction.label, score=prediction.score)

    @api.get("/healthz")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    return api
