"""A logger of a micro-inverter that answers Modbus TCP, so that a real client has something to read.

Only "read holding registers" (0x03) is served, as the clients under test ask for nothing else. Frames: Modbus
Messaging on TCP/IP Implementation Guide V1.0b, section 3.1.3 (MBAP header); Modbus Application Protocol V1.1b3, 6.3.
"""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

_MBAP = struct.Struct(">HHHB")
_READ = struct.Struct(">BHH")
_READ_HOLDING_REGISTERS = 3


@dataclass(frozen=True, slots=True)
class Micro:
    """What a Deye micro-inverter shows; ``registers`` encodes it as the maker's map does (KB docs, group "micro")."""

    ac_power_w: float = 412.5
    day_energy_kwh: float = 1.7
    total_energy_kwh: float = 1234.5
    grid_voltage_v: float = 236.0
    frequency_hz: float = 49.98
    temperature_c: float = 41.5
    pv_voltage_v: float = 33.4
    pv_current_a: float = 6.2

    def registers(self) -> dict[int, int]:
        """Register address to 16-bit value; absent ones read as 0. Double words: low word first."""
        power, total = round(self.ac_power_w * 10), round(self.total_energy_kwh * 10)
        return {
            60: round(self.day_energy_kwh * 10),
            63: total & 0xFFFF,
            64: total >> 16,
            73: round(self.grid_voltage_v * 10),
            76: round(self.ac_power_w / self.grid_voltage_v * 10),
            79: round(self.frequency_hz * 100),
            86: power & 0xFFFF,
            87: power >> 16,
            90: round((self.temperature_c + 10) * 100),
            109: round(self.pv_voltage_v * 10),
            110: round(self.pv_current_a * 10),
        }


def _answer(request: bytes, registers: Mapping[int, int]) -> bytes:
    """The response's protocol data unit: the registers asked for, or "illegal function" for anything else."""
    function, first, count = _READ.unpack(request[: _READ.size])
    if function != _READ_HOLDING_REGISTERS:
        return bytes([function | 0x80, 1])
    words = struct.pack(f">{count}H", *(registers.get(first + offset, 0) for offset in range(count)))
    return bytes([function, len(words)]) + words


@contextlib.asynccontextmanager
async def fake_logger(registers: Mapping[int, int]) -> AsyncIterator[int]:
    """Serves ``registers`` on a port of the kernel's choice, which it yields; changes to the mapping show at once."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                transaction, protocol, length, unit = _MBAP.unpack(await reader.readexactly(_MBAP.size))
                answer = _answer(await reader.readexactly(length - 1), registers)
                writer.write(_MBAP.pack(transaction, protocol, len(answer) + 1, unit) + answer)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
