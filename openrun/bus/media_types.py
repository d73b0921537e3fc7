"""Media types, as far as events need to know them."""

_UTF8 = frozenset({"utf-8", "utf8", "us-ascii"})


def essence(content_type: str) -> str:
    """The media type in lower case, without parameters."""
    return content_type.partition(";")[0].strip(" \t").lower()


def charset(content_type: str) -> str | None:
    """The charset if it is another than UTF-8."""
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.partition("=")
        given = value.strip(" \t").strip('"').lower()
        if name.strip(" \t").lower() == "charset" and given not in _UTF8:
            return given[:40]
    return None


def is_json(content_type: str | None) -> bool:
    """Whether data of this type is JSON; without a type it is."""
    if content_type is None:
        return True
    kind, _, subtype = essence(content_type).partition("/")
    return bool(kind) and (subtype == "json" or subtype.endswith("+json"))
