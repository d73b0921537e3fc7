"""Every default limit in one frozen value; an operator changes it, a document stays within it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on documents, templates, values, runs and requests. Sizes in bytes, times in seconds."""

    document_bytes: int = 8 * 2**20
    document_nodes: int = 250_000
    document_steps: int = 10_000
    document_edges: int = 30_000
    document_triggers: int = 100
    document_bodies: int = 1_000
    document_references: int = 50_000
    document_expressions: int = 10_000
    document_template_work: int = 1_200_000
    """What parsing all templates of a document may take, in microseconds or so."""
    document_pattern_chars: int = 20_000
    document_key_chars: int = 500
    document_faults: int = 500
    loop_depth: int = 8
    loop_work: int = 5_000_000
    """Loops of a flow times its edges."""
    json_depth: int = 64
    json_nodes: int = 100_000
    value_bytes: int = 2_000_000
    template_source_bytes: int = 32 * 2**10
    template_nodes: int = 2_000
    template_depth: int = 40
    template_value_bytes: int = 1_000_000
    template_integer_bits: int = 4_096
    template_operations: int = 20_000
    template_output_bytes: int = 1_000_000
    jsonpath_nodes: int = 100_000
    activations: int = 100_000
    """Of a run whose flow says nothing; `activations_max` is what a flow may ask for."""
    activations_max: int = 1_000_000
    loop_iterations: int = 1_000
    """Of a loop whose header says nothing; `loop_iterations_max` is what a header may ask for."""
    loop_iterations_max: int = 100_000
    foreach_items: int = 10_000
    foreach_concurrency: int = 50
    subflow_depth: int = 16
    step_timeout: float = 300.0
    step_timeout_max: float = 86_400.0
    delay_max: float = 366 * 86_400.0
    always_grace: float = 60.0
    progress_bytes: int = 64 * 2**10
    progress_count: int = 1_000
    response_bytes: int = 10 * 2**20
    redirects: int = 5
    target_concurrency: int = 50
    """Calls to one target at once, in one process."""
    target_queue: int = 1_000
    """Calls that wait for one target; more are turned away."""
    breaker_failures: int = 5
    """Transient failures in a row after which a target is left alone, for `breaker_seconds`."""
    breaker_seconds: float = 30.0
    compensation_time: float = 86_400.0
    """In which a completed step has to be undone, counted from its completion."""
    run_events: int = 500_000
    run_bytes: int = 256 * 2**20
    """Of the journal of one durable run."""


DEFAULT_LIMITS = Limits()
