"""The tables of stable words: the codes a job can end with, and what a result warns of.

`docs/reference/errors.md` is tested against them.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """One way in which a job can fail."""

    meaning: str
    """A sentence a person can act on; used where an error brings no better one."""
    retry_helps: bool = False
    """Whether submitting the same job later could end differently."""
    blames_dependency: bool = False
    """Whether a circuit breaker counts it as a failure of the origin or endpoint that was called."""
    is_waited_for: bool = False
    """Whether a stage is postponed for it as long as its job may take: it is a limit that was set here on purpose."""


WARNINGS: dict[str, str] = {
    "content_cut": "The parser stopped early: the page nests elements too deep, and what comes after is missing.",
    "structure_flattened": "The page nests elements too deep; text is kept, but not all of its structure.",
    "attributes_dropped": "An element has more attributes than are read; the others are left out.",
    "pages_left_out": "The document has more text than is read; its last pages are missing.",
    "characters_replaced": "Some bytes are no characters in the page's encoding; a mark stands in their place.",
}
"""What a result may say of itself, by a stable word: it is good, but not all there was."""

CODES: dict[str, Code] = {
    # fetch
    "invalid_url": Code("The URL cannot be read; give an absolute http or https URL."),
    "unsupported_scheme": Code("Only http and https URLs can be fetched."),
    "blocked_address": Code(
        "The URL leads to an address that is not public; an operator can allow its network or name."
    ),
    "blocked_port": Code("The URL names a port that may not be fetched from; an operator can allow it."),
    "dns_failure": Code("The host name could not be resolved; check the spelling of the URL.", True, True),
    "connect_failed": Code("No connection to the host could be made.", True, True),
    "tls_failure": Code("The host's TLS certificate or handshake is not valid.", False, True),
    "fetch_timeout": Code("The host did not answer in time.", True, True),
    "protocol_error": Code("The host's answer is not valid HTTP.", True, True),
    "too_many_redirects": Code("The URL redirects too often."),
    "too_large": Code("The page is larger than the limit."),
    "unsupported_encoding": Code("The page came in a content encoding that was not asked for."),
    "page_awaited": Code("Another job is fetching the same page; this one waits for what it brings.", True),
    "robots_denied": Code("The host's robots.txt does not allow this page to be fetched."),
    "robots_unavailable": Code("The host fails to give its robots.txt, so it is not known what may be fetched.", True),
    "robots_awaited": Code("Another job is asking for the host's robots.txt; this one waits for it.", True),
    "host_busy": Code("It is not this job's turn at the host yet, which is asked no faster than it can bear.", True),
    "http_not_found": Code("The host answered 404: the page does not exist."),
    "http_gone": Code("The host answered 410: the page was removed for good."),
    "http_denied": Code("The host refuses access to this page (401, 403 or 451)."),
    "http_client_error": Code("The host refused the request."),
    "http_rate_limited": Code("The host asks for fewer requests (429).", True),
    "http_unavailable": Code("The host says it is temporarily unavailable (503).", True, True),
    "http_server_error": Code("The host failed to answer (5xx).", True, True),
    "http_unexpected": Code("The host gave an answer that carries no page."),
    "unsupported_media_type": Code("The content is of a type that is not read."),
    "undecodable": Code("The bytes are not text in any encoding that could be found."),
    "empty_body": Code("There is no content: the page or the submitted text is empty."),
    # render
    "render_unavailable": Code(
        "Pages are not rendered here; an operator has to install penstock[render] and Chromium, and to allow it.", True
    ),
    "render_timeout": Code("The page's scripts did not come to an end in time; its browser was stopped.", True),
    "render_memory": Code("The page took more memory in the browser than the limit; it was stopped."),
    "render_crashed": Code("The browser died on this page.", True),
    # extract
    "no_article": Code("No article was found: the page has no running text."),
    "parse_failed": Code("The page could not be parsed."),
    "pdf_encrypted": Code("The PDF is protected by a password."),
    "pdf_damaged": Code("The PDF is damaged and cannot be read."),
    "pdf_no_text": Code("The PDF has no text layer: its pages are images."),
    "pdf_too_long": Code("The PDF has more pages than are read."),
    "parse_timeout": Code("Parsing the page took longer than the limit; it was stopped."),
    "parse_memory": Code("Parsing the page took more memory than the limit; it was stopped."),
    "parse_crashed": Code("The parser died on this page.", True),
    # summarize, analyze
    "llm_refused": Code("The language model declined to work on this text."),
    "llm_bad_answer": Code("The language model's answer could not be used.", True),
    "llm_off_schema": Code(
        "The language model's answers do not fit the schema, also when they were to be put right.", True
    ),
    "llm_timeout": Code("The language model did not answer in time.", True, True),
    "llm_unavailable": Code("The language model's endpoint cannot be reached or failed.", True, True),
    "llm_rate_limited": Code("The language model's endpoint asks for fewer requests.", True),
    "budget_exhausted": Code(
        "The budget for language models is used up; it is renewed, or an operator raises it.", True, is_waited_for=True
    ),
    "llm_throttled": Code(
        "The language model may be asked no more often for now; it is this job's turn later.", True, is_waited_for=True
    ),
    "llm_denied": Code("The language model's endpoint refused the API key; an operator has to correct it.", True),
    "llm_rejected": Code("The language model's endpoint rejected the request."),
    # any stage
    "too_many_parts": Code("The content is too long to be read in parts."),
    "stage_timeout": Code("The stage did not finish within its time limit.", True, True),
    "dependency_unavailable": Code("An external service stayed unavailable for too long.", True),
    "deadline_exceeded": Code("The job did not finish before its deadline.", True),
    "worker_lost": Code("Workers died again and again while running this stage.", True),
    "worker_stopped": Code("The worker was stopped while it ran this stage; another runs it.", True),
    "payload_missing": Code("A stage's stored input is gone.", True),
    "payload_corrupt": Code("A stage's stored input does not match its recorded hash.", True),
    "storage_unavailable": Code("The service's own storage did not answer.", True),
    "unknown_stage": Code("This version of the software does not know a stage of the job.", True),
    "internal_error": Code("A defect in the software stopped the stage; the traceback is kept in the record.", True),
    "cancelled": Code("The job was cancelled."),
}
