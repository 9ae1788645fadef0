"""What real loggers send, as the starting point of mutants: 40 payloads with the topics below the login they come on.

Source: ``mqtt-publishers.md`` 1a, 1b and 2 (trial runs and the publishers' own documents). No I/O.
"""

DOCUMENTS: tuple[tuple[str, str], ...] = (
    ("reading", '{"ac_power": 412.5, "time": "2026-06-01T11:59:00Z", "serial": "2711111111"}'),
    ("reading", '{"ac_power": 0, "dc_power": 0, "day_energy": 0.0, "total_energy": 1432.7, "status": "standby"}'),
    ("reading", '{"grid_power": -850.0, "load_power": 350, "battery_soc": 87, "time": 1780315140}'),
    ("reading", '{"dc_pv1_voltage": 33.4, "dc_pv1_current": 8.1, "dc_pv1_power": 270.5, "dc_pv2_power": 269.9}'),
    ("reading", '{"ac_l1_voltage": 236.0, "ac_l2_voltage": 235.1, "ac_l3_voltage": 237.3, "ac_frequency": 49.98}'),
    ("reading", '{"temperature": 41.2, "limit_percent": 100, "grid_connected": "ON", "status": "normal"}'),
    ("roof/reading", '{"ac_power": 1200, "total_energy": 1768.8, "time": 1780315140123, "serial": "2711-111-111"}'),
    # HM: one document per DTU, inverter and port; Wh throughout.
    ("homeassistant/hoymiles_mqtt/99A000000001/state",
     '{"pv_power":67.6,"today_production":862,"total_production":1768800,"alarm_flag":"OFF"}'),
    ("homeassistant/hoymiles_mqtt/116180000001/state",
     '{"grid_voltage":231.2,"grid_frequency":49.99,"temperature":31.5,"operating_status":3,"link_status":1}'),
    ("homeassistant/hoymiles_mqtt/116180000001/1/state",
     '{"pv_voltage":33.4,"pv_current":1.01,"pv_power":33.8,"today_production":431,"total_production":884400}'),
    # petro-kushchak: an array of one object.
    ("2711111111", '[{"pv1_power":1210,"soc":77,"total_load_power":890,"serial":"2711111111"}]'),
    # AHOY with its JSON option.
    ("HM-600/ch0", '{"ts":1780315140,"P_AC":312.4,"U_AC":231.0,"I_AC":1.35,"F_AC":49.98,"YieldDay":1210,"Temp":33.1}'),
    ("total", '{"P_AC":912.4,"YieldTotal":1884.4,"YieldDay":3210,"P_DC":950.2}'),
    # Starwhooper and Tasmota.
    ("raspberry-pv/SENSOR", '{"webdata_sn":"2711111111   ","webdata_now_p":"312","webdata_utime":"0"}'),
    ("tele/solar/SENSOR", '{"Time":"2026-06-01T11:59:00","ENERGY":{"Total":884.4,"Today":1.2,"Power":312}}'),
    # tsun-gen3-proxy.
    ("tsun/roof/grid", '{"Voltage":231.1,"Current":1.35,"Frequency":49.98,"Output_Power":312.4}'),
    ("tsun/roof/input", '{"pv1":{"Voltage":33.4,"Current":4.1,"Power":137.0},"pv2":{"Power":130}}'),
    # jlopez77: the same name twice. Arithorn: texts instead of numbers.
    ("inverter/attributes", '{"SerialNumber":"2711111111","Running":"Normal","PV1 (V)":"33.4","PV1 (V)":"33.5"}'),
    ("station/device-data", '{"deviceSn":"2711111111","dataList":[{"key":"APo_t1","value":"312","unit":"W"}]}'),
    # Discovery and states.
    ("homeassistant/sensor/deye_inverter_mqtt_2711111111/ac_power/config",
     '{"name":"AC power","unit_of_measurement":"W","device_class":"power","state_topic":"deye/ac/active_power"}'),
    ("logger/attributes", '{"ssid":"x","rssi":-61,"uptime_seconds":86400}'),
)  # fmt: skip

SCALARS: tuple[tuple[str, str], ...] = (
    ("day_energy", "1.7"),
    ("total_energy", "1432.7"),
    ("ac/total_power", "-850.0"),
    ("ac/active_power", "412.5"),
    ("ac/l1/voltage", "236.0"),
    ("ac/freq", "49.98"),
    ("dc/pv1/power", "270.5"),
    ("battery/soc", "87"),
    ("ac/relay_status", "27"),
    ("ac/ongrid", "True"),
    ("inverter/status", "normal"),
    ("uptime", "512"),
    ("1/ac/active_power", "206.2"),
    ("grid/active_power_w", "312"),
    ("114180000001/0/power", "312.4"),
    ("114180000001/0/yieldday", "1210"),
    ("114180000001/1/voltage", " 33.4"),
    ("timeofuse/time/1", "500"),
    ("logger_status", "online"),
)

MODELS = DOCUMENTS + SCALARS
