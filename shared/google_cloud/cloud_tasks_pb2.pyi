import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class HttpMethod(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    HTTP_METHOD_UNSPECIFIED: _ClassVar[HttpMethod]
    POST: _ClassVar[HttpMethod]
HTTP_METHOD_UNSPECIFIED: HttpMethod
POST: HttpMethod

class OidcToken(_message.Message):
    __slots__ = ("service_account_email", "audience")
    SERVICE_ACCOUNT_EMAIL_FIELD_NUMBER: _ClassVar[int]
    AUDIENCE_FIELD_NUMBER: _ClassVar[int]
    service_account_email: str
    audience: str
    def __init__(self, service_account_email: _Optional[str] = ..., audience: _Optional[str] = ...) -> None: ...

class HttpRequest(_message.Message):
    __slots__ = ("url", "http_method", "headers", "body", "oidc_token")
    class HeadersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    URL_FIELD_NUMBER: _ClassVar[int]
    HTTP_METHOD_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    OIDC_TOKEN_FIELD_NUMBER: _ClassVar[int]
    url: str
    http_method: HttpMethod
    headers: _containers.ScalarMap[str, str]
    body: bytes
    oidc_token: OidcToken
    def __init__(self, url: _Optional[str] = ..., http_method: _Optional[_Union[HttpMethod, str]] = ..., headers: _Optional[_Mapping[str, str]] = ..., body: _Optional[bytes] = ..., oidc_token: _Optional[_Union[OidcToken, _Mapping]] = ...) -> None: ...

class Task(_message.Message):
    __slots__ = ("http_request", "schedule_time", "dispatch_deadline")
    HTTP_REQUEST_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_TIME_FIELD_NUMBER: _ClassVar[int]
    DISPATCH_DEADLINE_FIELD_NUMBER: _ClassVar[int]
    http_request: HttpRequest
    schedule_time: _timestamp_pb2.Timestamp
    dispatch_deadline: _duration_pb2.Duration
    def __init__(self, http_request: _Optional[_Union[HttpRequest, _Mapping]] = ..., schedule_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., dispatch_deadline: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class CreateTaskRequest(_message.Message):
    __slots__ = ("parent", "task")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    parent: str
    task: Task
    def __init__(self, parent: _Optional[str] = ..., task: _Optional[_Union[Task, _Mapping]] = ...) -> None: ...
