import pytest

from lightning_quicktune.synthesis.llm import ChatClient, LLMSettings


def client(url: str, **changes) -> ChatClient:
    return ChatClient(LLMSettings(model="m", base_url=url, wait_s=0.001, timeout_s=120.0, max_tries=3, **changes))


def test_the_answer_is_the_messages_text(endpoint):
    endpoint.next = [(200, "forty-two")]
    assert client(endpoint.url + "/").complete("question", seed=1) == "forty-two"


def test_the_key_comes_from_the_environment(endpoint, monkeypatch):
    monkeypatch.setenv("MY_KEY", "secret")
    client(endpoint.url, api_key_env="MY_KEY").complete("question", seed=1)
    monkeypatch.delenv("MY_KEY")
    client(endpoint.url, api_key_env="MY_KEY").complete("question", seed=1)
    assert [headers.get("Authorization") for headers in endpoint.headers] == ["Bearer secret", None]


def test_a_busy_endpoint_is_asked_again(endpoint):
    endpoint.next = [(503, {}), (429, {}), (200, "at last")]
    assert client(endpoint.url).complete("question", seed=1) == "at last"


def test_an_endpoint_that_stays_busy_is_an_error(endpoint):
    endpoint.next = [(503, {})] * 9
    with pytest.raises(ConnectionError, match=r"no answer in 3 tries \(HTTP 503: .* `llm.base_url` .* goes on from it"):
        client(endpoint.url).complete("question", seed=1)
    assert len(endpoint.prompts) == 3


def test_a_server_that_is_down_is_an_error():
    with pytest.raises(ConnectionError, match=r"127\.0\.0\.1:9/v1/chat/completions gave no answer .*`llm.base_url`"):
        client("http://127.0.0.1:9/v1").complete("question", seed=1)


@pytest.mark.parametrize(
    ("code", "advice"),
    [(401, r"variable OPENAI_API_KEY \(`llm.api_key_env`\)"), (404, r"`llm.base_url` with its"), (400, r"`llm.model`")],
)
def test_a_refusal_says_what_to_change(endpoint, code, advice):
    endpoint.next = [(code, {"error": "no"})]
    with pytest.raises(ValueError, match=rf"refused the request \(HTTP {code}: .*no.*{advice}"):
        client(endpoint.url).complete("question", seed=1)
    assert len(endpoint.prompts) == 1


@pytest.mark.parametrize("reply", [{"models": []}, {"choices": []}, ["list"]])
def test_another_kind_of_answer_is_an_error(endpoint, reply):
    endpoint.next = [(200, reply)]
    with pytest.raises(ValueError, match=r"is no chat completion\. Set `llm.base_url`"):
        client(endpoint.url).complete("question", seed=1)


def test_a_web_page_is_no_endpoint(endpoint):
    endpoint.next = [(200, b"<html></html>")]
    with pytest.raises(ValueError, match=r"did not answer in JSON.* Set `llm.base_url`"):
        client(endpoint.url).complete("question", seed=1)


def test_an_address_without_a_scheme_is_an_error():
    with pytest.raises(ValueError, match=r"`llm.base_url` is 'localhost', which is no web address\. Write it with"):
        client("localhost").complete("question", seed=1)


@pytest.mark.parametrize("name", ["max_tries", "max_tokens"])
def test_nothing_that_could_never_answer_is_taken(name):
    with pytest.raises(ValueError, match=rf"`llm.{name}` is 0, but below 1 no answer can come. Leave `llm.{name}` out"):
        LLMSettings(model="m", **{name: 0})


@pytest.mark.parametrize(
    ("name", "value", "least"),
    [("temperature", -0.1, "at least 0"), ("wait_s", -1.0, "at least 0"), ("timeout_s", 0.0, "above 0")],
)
def test_numbers_out_of_range_are_refused(name, value, least):
    with pytest.raises(ValueError, match=rf"`llm.{name}` is {value}, but it is a number {least}. Set `llm.{name}`"):
        LLMSettings(model="m", **{name: value})
